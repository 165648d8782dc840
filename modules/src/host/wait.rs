//! Waiting until something is so: a plan looks once, since earlier tasks may make it so.

use super::Host;
use crate::module::Halt;
use std::io::Read;
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// How to wait.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Before looking for the first time.
    pub delay: Duration,
    /// For how long, from the beginning.
    pub timeout: Duration,
    /// Between two looks.
    pub interval: Duration,
}

impl Host {
    /// Looks until `check` finds something; `None` when the time is over. `what` completes "not known before …".
    ///
    /// # Errors
    /// `Halt::Unknown` in a plan when the first look finds nothing; errors of `check`.
    pub fn wait_until<T>(
        &mut self,
        patience: Patience,
        what: &str,
        mut check: impl FnMut(&mut Host) -> Result<Option<T>, Halt>,
    ) -> Result<Option<T>, Halt> {
        if !self.is_live() {
            return check(self)?.map(Some).ok_or_else(|| Halt::Unknown(what.to_string()));
        }
        let end = Instant::now() + patience.timeout;
        self.pause(patience.delay)?;
        loop {
            if let Some(found) = check(self)? {
                return Ok(Some(found));
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            self.pause(patience.interval.min(left))?;
        }
    }

    /// Lets time pass; a plan does not wait.
    pub fn rest(&mut self, time: Duration) -> Result<(), Halt> {
        if self.is_live() { self.pause(time) } else { Ok(()) }
    }

    /// Whether something accepts connections there.
    pub fn accepts(&mut self, address: &str, port: u16, timeout: Duration) -> bool {
        connect(address, port, timeout).is_some()
    }

    /// What a server says on its own after the connection, until `enough` is satisfied or `timeout` is over.
    pub fn hear(&mut self, address: &str, port: u16, timeout: Duration, mut enough: impl FnMut(&[u8]) -> bool) -> Option<Vec<u8>> {
        let end = Instant::now() + timeout;
        let mut stream = connect(address, port, timeout)?;
        let mut heard = Vec::new();
        let mut piece = [0; 4096];
        while !enough(&heard) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || stream.set_read_timeout(Some(left)).is_err() {
                break;
            }
            match stream.read(&mut piece) {
                Ok(length) if length > 0 => heard.extend_from_slice(&piece[..length]),
                _ => break,
            }
        }
        Some(heard)
    }
}

fn connect(address: &str, port: u16, timeout: Duration) -> Option<TcpStream> {
    let timeout = timeout.max(Duration::from_millis(1));
    (address, port).to_socket_addrs().ok()?.find_map(|address| TcpStream::connect_timeout(&address, timeout).ok())
}
