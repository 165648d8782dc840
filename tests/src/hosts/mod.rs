//! Real test hosts: systemd-nspawn machines with systemd and sshd, without Python, each an overlay over one Debian image.
//!
//! A set of hosts has a number of its own, and from it its names, bridge and network, so that suites run side by side. The
//! number is held by a file lock: when a run is killed, the next one that takes its number first removes what is left.

mod image;
mod machine;

use crate::program::repository;
use machine::Machine;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

pub use image::CAROLS_PASSWORD;

/// How many sets of hosts may exist at once.
const SETS: u8 = 16;

/// Why there are no test hosts.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// nspawn, overlays and bridges are root's.
    #[error("test hosts need root; as another user set ENGINE_TESTS=local to run only the cases without them")]
    NotRoot,
    /// A program is missing.
    #[error("test hosts need `{0}`: apt-get install systemd-container debootstrap openssh-client iproute2 mount")]
    Missing(&'static str),
    /// A program failed; its words.
    #[error("{doing}: {words}")]
    Failed {
        /// What was tried.
        doing: String,
        /// What the program wrote.
        words: String,
    },
    /// The system said no.
    #[error("{path}: {cause}")]
    Io {
        /// Where.
        path: PathBuf,
        /// The system's words.
        cause: std::io::Error,
    },
    /// All sets are taken.
    #[error("all {SETS} sets of test hosts are in use; `cargo run -p tests --bin hosts -- down` removes those kept by hand")]
    Full,
    /// A host did not boot in time.
    #[error("{name} did not boot within {seconds} seconds; the end of its console:\n{console}")]
    Boot {
        /// Its machine name.
        name: String,
        /// How long was waited.
        seconds: u64,
        /// Its last lines.
        console: String,
    },
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Error + '_ {
    |cause| Error::Io { path: path.to_owned(), cause }
}

/// Runs a program to its end; its standard output.
fn call(program: &'static str, args: &[&str]) -> Result<String, Error> {
    let output = Command::new(program).args(args).stdin(Stdio::null()).output().map_err(|cause| match cause.kind() {
        std::io::ErrorKind::NotFound => Error::Missing(program),
        _ => Error::Io { path: program.into(), cause },
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let words = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Err(Error::Failed { doing: format!("{program} {}", args.join(" ")), words: words.trim_end().to_owned() })
}

/// Where images, layers and running sets live: `$ENGINE_TEST_CACHE`, else `/var/cache/engine-tests`.
pub fn cache() -> PathBuf {
    std::env::var_os("ENGINE_TEST_CACHE").map_or_else(|| PathBuf::from("/var/cache/engine-tests"), PathBuf::from)
}

/// A set's number, held while this exists.
struct Number {
    number: u8,
    folder: PathBuf,
    _lock: File,
}

impl Number {
    /// Takes this number unless another process holds it.
    fn take(number: u8) -> Result<Option<Number>, Error> {
        let run = cache().join("run");
        std::fs::create_dir_all(&run).map_err(io(&run))?;
        let path = run.join(format!("{number}.lock"));
        let lock = File::create(&path).map_err(io(&path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(Number { number, folder: run.join(number.to_string()), _lock: lock })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(cause)) => Err(Error::Io { path, cause }),
        }
    }

    /// The mark that says whose hosts are to stay although no process holds them.
    fn mark(&self) -> PathBuf {
        self.folder.join("kept")
    }

    /// Whether its hosts are to stay although no process holds it.
    fn kept(&self) -> bool {
        self.mark().exists()
    }

    /// Whether they were kept from this checkout, so that it does not touch what another one keeps.
    fn kept_here(&self) -> bool {
        std::fs::read_to_string(self.mark()).is_ok_and(|by| Path::new(&by) == repository())
    }

    /// The lowest free one, cleared of what a killed run left.
    fn free() -> Result<Number, Error> {
        for number in 0..SETS {
            if let Some(number) = Number::take(number)?.filter(|n| !n.kept()) {
                number.clear()?;
                std::fs::create_dir_all(&number.folder).map_err(io(&number.folder))?;
                return Ok(number);
            }
        }
        Err(Error::Full)
    }

    /// The sets kept by hand from this checkout.
    fn all_kept() -> Result<Vec<Number>, Error> {
        let taken: Result<Vec<_>, _> = (0..SETS).map(Number::take).collect();
        Ok(taken?.into_iter().flatten().filter(Number::kept_here).collect())
    }

    fn bridge(&self) -> String {
        format!("et{}", self.number)
    }

    fn machine(&self, index: usize, lower: &str) -> Machine {
        Machine::new(self.number, index, &self.folder, lower)
    }

    /// Removes every host, the bridge and the folder.
    fn clear(&self) -> Result<(), Error> {
        if self.folder.exists() {
            let entries = std::fs::read_dir(&self.folder).map_err(io(&self.folder))?;
            let names = entries.flatten().filter_map(|e| e.file_name().to_str()?.strip_prefix("node-")?.parse().ok());
            let machines: Vec<Machine> = names.map(|index| self.machine(index, "")).collect();
            machine::remove_all(&machines)?;
        }
        if Path::new("/sys/class/net").join(self.bridge()).exists() {
            call("ip", &["link", "delete", &self.bridge()])?;
        }
        if self.folder.exists() {
            std::fs::remove_dir_all(&self.folder).map_err(io(&self.folder))?;
        }
        Ok(())
    }
}

/// Some running test hosts, `node-0` to `node-N`; removed when dropped.
///
/// On each: `root` and `ubuntu` (sudo without password) and `carol` (sudo with [`CAROLS_PASSWORD`]), all entered with [`Hosts::key`].
pub struct Hosts {
    number: Number,
    machines: Vec<Machine>,
    keep: bool,
}

impl Hosts {
    /// Boots so many hosts.
    ///
    /// # Errors
    /// Without root or the programs needed, when the image cannot be made, and when a host does not boot.
    pub fn start(count: usize) -> Result<Hosts, Error> {
        Hosts::start_with(count, &[])
    }

    /// Boots so many hosts on which these Debian packages are installed too.
    ///
    /// # Errors
    /// As [`Hosts::start`].
    pub fn start_with(count: usize, packages: &[&str]) -> Result<Hosts, Error> {
        if call("id", &["-u"])?.trim() != "0" {
            return Err(Error::NotRoot);
        }
        for program in ["systemd-nspawn", "debootstrap", "ssh", "ip", "mount"] {
            call("which", &[program]).map_err(|_| Error::Missing(program))?;
        }
        let lower = image::lower(packages)?;
        let number = Number::free()?;
        let bridge = number.bridge();
        call("ip", &["link", "add", &bridge, "type", "bridge"])?;
        call("ip", &["address", "add", &format!("{}/24", machine::gateway(number.number)), "dev", &bridge])?;
        call("ip", &["link", "set", &bridge, "up"])?;
        let machines = (0..count).map(|index| number.machine(index, &lower)).collect();
        let hosts = Hosts { number, machines, keep: false };
        hosts.write_ssh_files(&lower)?;
        hosts.boot()?;
        Ok(hosts)
    }

    /// The hosts for a case that needs them; `None` where `ENGINE_TESTS=local` says to leave such cases out.
    ///
    /// # Panics
    /// When they cannot be started: a case that did not run must not look as if it passed.
    pub fn for_case(count: usize, packages: &[&str]) -> Option<Hosts> {
        if std::env::var_os("ENGINE_TESTS").is_some_and(|v| v == "local") {
            eprintln!("not run: ENGINE_TESTS=local leaves out cases on real hosts");
            return None;
        }
        match Hosts::start_with(count, packages) {
            Ok(hosts) => Some(hosts),
            Err(error) => panic!("{error}"),
        }
    }

    fn boot(&self) -> Result<(), Error> {
        for machine in &self.machines {
            machine.start(self.machines.len(), &self.number.bridge())?;
        }
        self.machines.iter().try_for_each(|machine| machine.wait(|| self.run(machine.index(), "systemctl is-system-running --wait")))
    }

    /// Gives every host a fresh tree and boots it again.
    ///
    /// # Errors
    /// When a host does not boot.
    pub fn reset(&self) -> Result<(), Error> {
        for machine in &self.machines {
            let _ = call("ssh", &["-F", &self.ssh_config().to_string_lossy(), "-O", "exit", machine.node()]);
        }
        machine::remove_all(&self.machines)?;
        self.boot()
    }

    /// Leaves the hosts running after this process; `Hosts::remove_kept` removes them.
    ///
    /// # Errors
    /// When the mark cannot be written.
    pub fn keep(mut self) -> Result<PathBuf, Error> {
        let mark = self.number.mark();
        std::fs::write(&mark, repository().to_string_lossy().as_bytes()).map_err(io(&mark))?;
        self.keep = true;
        Ok(self.number.folder.clone())
    }

    /// Removes all hosts that were kept from this checkout; how many sets there were.
    ///
    /// # Errors
    /// When one cannot be removed.
    pub fn remove_kept() -> Result<usize, Error> {
        let kept = Number::all_kept()?;
        kept.iter().try_for_each(Number::clear)?;
        Ok(kept.len())
    }

    /// The folders of the sets that were kept; each holds `ssh_config` and `inventory.yaml`.
    ///
    /// # Errors
    /// When the sets cannot be listed.
    pub fn kept() -> Result<Vec<PathBuf>, Error> {
        Ok(Number::all_kept()?.into_iter().map(|n| n.folder).collect())
    }

    /// How many hosts there are.
    pub fn count(&self) -> usize {
        self.machines.len()
    }

    /// A host's IPv4 address.
    pub fn address(&self, index: usize) -> String {
        self.machines[index].address()
    }

    /// A host's tree, as this machine sees it.
    pub fn root(&self, index: usize) -> &Path {
        self.machines[index].root()
    }

    /// A folder for a case's own files, removed with the hosts.
    pub fn folder(&self) -> &Path {
        &self.number.folder
    }

    /// The private key that opens every user.
    pub fn key(&self) -> PathBuf {
        image::key()
    }

    /// The file with the hosts' keys.
    pub fn known_hosts(&self) -> PathBuf {
        self.number.folder.join("known_hosts")
    }

    /// A configuration for ssh in which the hosts stand by name, entered as root.
    pub fn ssh_config(&self) -> PathBuf {
        self.number.folder.join("ssh_config")
    }

    /// Cuts a host's network cable.
    ///
    /// # Errors
    /// When it has none.
    pub fn unplug(&self, index: usize) -> Result<(), Error> {
        call("ip", &["link", "set", &self.machines[index].cable(), "down"]).map(|_| ())
    }

    /// Mends a host's network cable.
    ///
    /// # Errors
    /// When it has none.
    pub fn plug(&self, index: usize) -> Result<(), Error> {
        call("ip", &["link", "set", &self.machines[index].cable(), "up"]).map(|_| ())
    }

    /// Runs a shell line on a host as root.
    pub fn run(&self, index: usize, line: &str) -> std::io::Result<Output> {
        let mut ssh = Command::new("ssh");
        ssh.arg("-F").arg(self.ssh_config()).arg(self.machines[index].node()).arg("--").arg(line);
        ssh.stdin(Stdio::null()).output()
    }

    /// What a shell line prints on a host, run as root.
    ///
    /// # Panics
    /// When it fails.
    pub fn sh(&self, index: usize, line: &str) -> String {
        match self.run(index, line) {
            Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).into_owned(),
            Ok(output) => panic!("node-{index}: `{line}`: {}: {}", output.status, String::from_utf8_lossy(&output.stderr)),
            Err(error) => panic!("ssh: {error}"),
        }
    }

    /// An inventory of these hosts, entered as this user.
    pub fn inventory(&self, user: &str) -> String {
        let mut text = format!(
            "all:\n  vars:\n    ansible_user: {user}\n    ansible_ssh_private_key_file: {}\n    ansible_ssh_common_args: -o UserKnownHostsFile={}\n  hosts:\n",
            self.key().display(),
            self.known_hosts().display()
        );
        for machine in &self.machines {
            text += &format!("    {}:\n      ansible_host: {}\n", machine.node(), machine.address());
        }
        text
    }

    fn write_ssh_files(&self, lower: &str) -> Result<(), Error> {
        let public = image::host_key(lower)?;
        let addresses: Vec<String> = self.machines.iter().map(Machine::address).collect();
        let known = self.known_hosts();
        std::fs::write(&known, format!("{} {public}\n", addresses.join(","))).map_err(io(&known))?;
        let folder = self.number.folder.display();
        let mut config = String::new();
        for machine in &self.machines {
            config += &format!("Host {}\n  HostName {}\n", machine.node(), machine.address());
        }
        config += &format!(
            "Host *\n  User root\n  IdentityFile {}\n  IdentitiesOnly yes\n  UserKnownHostsFile {}\n  BatchMode yes\n  ConnectTimeout 3\n  ServerAliveInterval 1\n  ServerAliveCountMax 3\n  LogLevel ERROR\n  ControlMaster auto\n  ControlPersist 60\n  ControlPath {folder}/%h.ctl\n",
            self.key().display(),
            known.display()
        );
        let path = self.ssh_config();
        std::fs::write(&path, config).map_err(io(&path))?;
        let inventory = self.number.folder.join("inventory.yaml");
        std::fs::write(&inventory, self.inventory("root")).map_err(io(&inventory))
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        if self.keep {
            return;
        }
        if let Err(error) = self.number.clear() {
            eprintln!("cannot remove the test hosts: {error}");
        }
    }
}
