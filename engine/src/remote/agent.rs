//! One agent on one host: requests in, answers out, content as it asks for it.

use super::bootstrap::Started;
use super::contents::Contents;
use crate::error::{Diagnostic, Kind, Result};
use crate::transport::{Ending, Tail, lost};
use modules::wire::{self, FRAME_LIMIT, FromAgent, PIECE, Request, Response, ToAgent};
use std::collections::{HashMap, VecDeque};
use std::io::{self, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot, watch};

/// What an agent may take to say that it is up, and to end.
const GREETING: Duration = Duration::from_secs(60);
const FAREWELL: Duration = Duration::from_secs(3);

/// In place of a frame: close the agent's input.
const CLOSE: Vec<u8> = Vec::new();

/// A running agent. Dropping it ends it.
pub(crate) struct Agent {
    /// Who it runs as.
    pub(crate) user: String,
    frames: mpsc::Sender<Vec<u8>>,
    waiting: Arc<Mutex<Waiting>>,
    ended: watch::Receiver<bool>,
}

/// Who waits for what.
#[derive(Default)]
struct Waiting {
    /// Our number of a request: its own, and where the answer goes.
    runs: HashMap<u64, (u64, oneshot::Sender<Result<Response>>)>,
    overlays: VecDeque<oneshot::Sender<Result<Vec<u8>>>>,
    last: u64,
    /// Why there will be no more answers.
    end: Option<Box<Diagnostic>>,
}

impl Agent {
    /// Waits until a started agent is up.
    pub(crate) async fn greet(host: &str, started: Started, contents: Arc<Contents>) -> Result<Agent> {
        let Started { stdin, mut stdout, said, ending } = started;
        let hello = tokio::time::timeout(GREETING, frame(&mut stdout)).await;
        let user = match hello {
            Ok(Ok(Some(FromAgent::Hello { user, .. }))) => user,
            Ok(Ok(Some(_))) => {
                return Err(Box::new(Diagnostic::new(Kind::Unreachable, format!("the agent on {host} does not greet first"))));
            }
            Ok(Ok(None)) => return Err(Box::new(ended(host, &said, ending, None).await)),
            Ok(Err(e)) => return Err(Box::new(ended(host, &said, ending, Some(&e)).await)),
            Err(_) => {
                let error =
                    Diagnostic::new(Kind::Unreachable, format!("the agent on {host} says nothing for {} seconds", GREETING.as_secs()));
                return Err(Box::new(said.last_lines().into_iter().fold(error, Diagnostic::note)));
            }
        };
        let (frames, outgoing) = mpsc::channel(8);
        let waiting = Arc::new(Mutex::new(Waiting::default()));
        let (end, ended) = watch::channel(false);
        tokio::spawn(write(stdin, outgoing));
        let reader = Reader { host: host.to_owned(), frames: frames.downgrade(), waiting: waiting.clone(), contents };
        tokio::spawn(async move {
            reader.read(stdout, said, ending).await;
            let _ = end.send(true);
        });
        Ok(Agent { user, frames, waiting, ended })
    }

    /// Whether it still answers.
    pub(crate) fn alive(&self) -> bool {
        !*self.ended.borrow() && lock(&self.waiting).end.is_none()
    }

    /// Sends a request; what is returned gives its answer.
    pub(crate) async fn ask(&self, mut request: Request) -> Result<oneshot::Receiver<Result<Response>>> {
        let (reply, answer) = oneshot::channel();
        {
            let mut waiting = lock(&self.waiting);
            if let Some(end) = &waiting.end {
                return Err(end.clone());
            }
            waiting.last += 1;
            let number = waiting.last;
            waiting.runs.insert(number, (std::mem::replace(&mut request.id, number), reply));
        }
        let (number, module) = (request.id, request.module.clone());
        match wire::encode(&ToAgent::Run(request)) {
            // If it is not taken, the reader is about to tell everyone why.
            Ok(frame) => drop(self.frames.send(frame).await),
            Err(e) => {
                lock(&self.waiting).runs.remove(&number);
                let error = Diagnostic::new(Kind::Failed, format!("the arguments of `{module}` cannot be sent")).note(e.to_string());
                return Err(Box::new(error.hint("give large content as a file, with `src`")));
            }
        }
        Ok(answer)
    }

    /// Takes what this plan has written in memory there.
    pub(crate) async fn take_overlay(&self) -> Result<Vec<u8>> {
        let (reply, answer) = oneshot::channel();
        {
            let mut waiting = lock(&self.waiting);
            if let Some(end) = &waiting.end {
                return Err(end.clone());
            }
            waiting.overlays.push_back(reply);
        }
        self.send(&ToAgent::TakeOverlay).await?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }

    /// Lets it go on from what another user's agent has written in memory.
    pub(crate) async fn put_overlay(&self, overlay: Vec<u8>) -> Result<()> {
        self.send(&ToAgent::PutOverlay(overlay)).await
    }

    async fn send(&self, message: &ToAgent) -> Result<()> {
        let frame = wire::encode(message)
            .map_err(|e| Box::new(Diagnostic::new(Kind::System, "a message to the agent cannot be sent").note(e.to_string())))?;
        let _ = self.frames.send(frame).await;
        Ok(())
    }

    /// Ends it, and waits a little until it has. What still runs there is killed: to its end it would not hear of ours.
    pub(crate) async fn stop(&self) {
        let idle = lock(&self.waiting).runs.is_empty();
        let last = if idle { wire::encode(&ToAgent::Stop).unwrap_or_default() } else { CLOSE };
        let _ = self.frames.send(last).await;
        let mut ended = self.ended.clone();
        let _ = tokio::time::timeout(FAREWELL, ended.wait_for(|ended| *ended)).await;
    }
}

/// The answer to a request, once it is there.
pub(crate) async fn answered(answer: oneshot::Receiver<Result<Response>>) -> Result<Response> {
    answer.await.unwrap_or_else(|_| Err(gone()))
}

fn gone() -> Box<Diagnostic> {
    Box::new(Diagnostic::new(Kind::Unreachable, "the agent has ended"))
}

fn lock(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes frames until nobody is left to send any or one says to close; then the agent sees the end of its input.
async fn write(mut stdin: Box<dyn AsyncWrite + Send + Unpin>, mut frames: mpsc::Receiver<Vec<u8>>) {
    while let Some(frame) = frames.recv().await {
        if frame.is_empty() {
            break;
        }
        if stdin.write_all(&frame).await.is_err() || stdin.flush().await.is_err() {
            return;
        }
    }
    let _ = stdin.shutdown().await;
}

/// Reads one frame; `None` at the end of the stream.
async fn frame(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<FromAgent>> {
    let mut length = [0; 4];
    match from.read_exact(&mut length).await {
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    };
    let length = u32::from_le_bytes(length) as usize;
    if length > FRAME_LIMIT {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a message of {length} bytes exceeds the limit of {FRAME_LIMIT}")));
    }
    let mut bytes = vec![0; length];
    from.read_exact(&mut bytes).await?;
    wire::decode(&bytes).map(Some)
}

/// Reads what an agent says.
struct Reader {
    host: String,
    // Weak: the agent ends when the last `Agent` is dropped.
    frames: mpsc::WeakSender<Vec<u8>>,
    waiting: Arc<Mutex<Waiting>>,
    contents: Arc<Contents>,
}

impl Reader {
    async fn read(self, mut stdout: Box<dyn AsyncRead + Send + Unpin>, said: Tail, ending: Ending) {
        let error = loop {
            match frame(&mut stdout).await {
                Ok(Some(message)) => self.take(message),
                Ok(None) => break None,
                Err(e) => break Some(e),
            }
        };
        let error = Box::new(ended(&self.host, &said, ending, error.as_ref()).await);
        let mut waiting = lock(&self.waiting);
        waiting.end = Some(error.clone());
        for (_, (_, reply)) in waiting.runs.drain() {
            let _ = reply.send(Err(error.clone()));
        }
        for reply in waiting.overlays.drain(..) {
            let _ = reply.send(Err(error.clone()));
        }
    }

    fn take(&self, message: FromAgent) {
        match message {
            FromAgent::Done(mut response) => {
                let run = lock(&self.waiting).runs.remove(&response.id);
                if let Some((id, reply)) = run {
                    response.id = id;
                    let _ = reply.send(Ok(response));
                }
            }
            FromAgent::Overlay(overlay) => {
                let reply = lock(&self.waiting).overlays.pop_front();
                if let Some(reply) = reply {
                    let _ = reply.send(Ok(overlay));
                }
            }
            // A task of its own: the agent may not read before it has written more, which we have to read.
            FromAgent::NeedBlob { hash } => {
                if let Some(frames) = self.frames.upgrade() {
                    let contents = self.contents.clone();
                    tokio::task::spawn_blocking(move || send_content(&contents, hash, &frames));
                }
            }
            FromAgent::Hello { .. } => {}
        }
    }
}

/// Sends content in pieces, read as they go.
fn send_content(contents: &Contents, hash: String, frames: &mpsc::Sender<Vec<u8>>) {
    let send = |message: &ToAgent| wire::encode(message).is_ok_and(|frame| frames.blocking_send(frame).is_ok());
    let read = |reader: &mut Box<dyn Read + Send>| {
        let mut data = Vec::new();
        reader.take(PIECE as u64).read_to_end(&mut data).map(|_| data).map_err(|e| e.to_string())
    };
    let failed = contents.reader(&hash).and_then(|mut reader| {
        let mut data = read(&mut reader)?;
        loop {
            // One piece ahead, to know which is the last.
            let next = if data.len() < PIECE { Vec::new() } else { read(&mut reader)? };
            let last = next.is_empty();
            if !send(&ToAgent::Blob { hash: hash.clone(), data, last }) || last {
                return Ok(());
            }
            data = next;
        }
    });
    if let Err(why) = failed {
        send(&ToAgent::NoBlob { hash, why });
    }
}

/// Why an agent says no more.
async fn ended(host: &str, said: &Tail, ending: Ending, error: Option<&io::Error>) -> Diagnostic {
    said.end().await;
    let code = tokio::time::timeout(Duration::from_secs(2), ending).await.unwrap_or(255);
    let told = match code {
        255 | 0 => lost(host),
        137 => Diagnostic::new(Kind::Unreachable, format!("the agent on {host} was killed"))
            .hint("did the host run out of memory? `dmesg` there tells"),
        126 | 127 => Diagnostic::new(Kind::Unreachable, format!("the agent does not start on {host}")),
        code => Diagnostic::new(Kind::Unreachable, format!("the agent on {host} broke off with exit code {code}")),
    };
    let told = said.last_lines().into_iter().fold(told, Diagnostic::note);
    error.map_or(told.clone(), |error| told.note(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use modules::value::Map;
    use modules::wire::Status;
    use tokio::io::DuplexStream;

    fn request(id: u64) -> Request {
        Request { id, module: "ping".into(), args: Map::default(), live: true, fresh: false, environment: vec![], timeout: 0 }
    }

    fn response(id: u64) -> Response {
        Response { id, status: Status::Done, returns: Map::default(), changes: vec![], warnings: vec![] }
    }

    /// The other end of the wire.
    struct Far {
        from: DuplexStream,
        to: DuplexStream,
        errors: DuplexStream,
    }

    impl Far {
        async fn say(&mut self, message: &FromAgent) {
            self.to.write_all(&wire::encode(message).unwrap()).await.unwrap();
        }
        async fn hear(&mut self) -> ToAgent {
            let length = self.from.read_u32_le().await.unwrap();
            let mut bytes = vec![0; length as usize];
            self.from.read_exact(&mut bytes).await.unwrap();
            wire::decode(&bytes).unwrap()
        }
    }

    async fn pair(contents: Contents, code: i32) -> (Agent, Far) {
        let ((stdin, from), (to, stdout), (errors, stderr)) = (tokio::io::duplex(4096), tokio::io::duplex(4096), tokio::io::duplex(4096));
        let mut far = Far { from, to, errors };
        far.say(&FromAgent::Hello { version: "1".into(), user: "app".into() }).await;
        let started = Started {
            stdin: Box::new(stdin),
            stdout: Box::new(stdout),
            said: Tail::follow(stderr, 1024),
            ending: Box::pin(async move { code }),
        };
        (Agent::greet("web", started, Arc::new(contents)).await.unwrap(), far)
    }

    #[tokio::test]
    async fn answers_find_their_requests() {
        let (agent, mut far) = pair(Contents::default(), 0).await;
        assert_eq!(agent.user, "app");
        // The same number twice: callers number for themselves.
        let (first, second) = (agent.ask(request(7)).await.unwrap(), agent.ask(request(7)).await.unwrap());
        let mut numbers = Vec::new();
        for _ in 0..2 {
            match far.hear().await {
                ToAgent::Run(request) => numbers.push(request.id),
                other => panic!("{other:?}"),
            }
        }
        let mut late = response(numbers[0]);
        late.warnings.push("first".into());
        far.say(&FromAgent::Done(response(numbers[1]))).await;
        far.say(&FromAgent::Done(late)).await;
        assert_eq!(answered(second).await.unwrap().id, 7);
        assert_eq!(answered(first).await.unwrap().warnings, ["first"]);
    }

    #[tokio::test]
    async fn content_goes_in_pieces() {
        let contents = Contents::default();
        let sizes = [0, 1, PIECE, PIECE + 1, 2 * PIECE];
        let hashes: Vec<String> = sizes.iter().map(|size| contents.keep(vec![b'x'; *size])).collect();
        let (_agent, mut far) = pair(contents, 0).await;
        for (size, wanted) in sizes.iter().zip(&hashes) {
            far.say(&FromAgent::NeedBlob { hash: wanted.clone() }).await;
            let mut received = 0;
            loop {
                let ToAgent::Blob { hash, data, last } = far.hear().await else { panic!("no content") };
                assert_eq!(&hash, wanted);
                received += data.len();
                if last {
                    break;
                }
            }
            assert_eq!(received, *size);
        }
        far.say(&FromAgent::NeedBlob { hash: "none".into() }).await;
        assert!(matches!(far.hear().await, ToAgent::NoBlob { .. }));
    }

    #[tokio::test]
    async fn a_lost_connection_is_told_to_all_who_wait() {
        for (code, summary) in
            [(255, "connection to web lost"), (137, "the agent on web was killed"), (101, "the agent on web broke off with exit code 101")]
        {
            let (agent, mut far) = pair(Contents::default(), code).await;
            let (one, two) = (agent.ask(request(1)).await.unwrap(), agent.ask(request(2)).await.unwrap());
            far.errors.write_all(b"last words\n").await.unwrap();
            drop(far);
            for waiting in [one, two] {
                let error = answered(waiting).await.unwrap_err();
                assert_eq!((error.summary.as_str(), error.kind), (summary, Kind::Unreachable));
                assert_eq!(error.notes[0], "last words");
            }
            assert!(!agent.alive());
            assert!(agent.ask(request(3)).await.is_err());
        }
    }

    #[tokio::test]
    async fn a_stop_kills_what_still_runs() {
        let (agent, mut far) = pair(Contents::default(), 0).await;
        let _answer = agent.ask(request(1)).await.unwrap();
        far.hear().await;
        let far = async {
            assert_eq!(far.from.read(&mut [0]).await.unwrap(), 0, "the input ends without `Stop`");
            drop(far);
        };
        tokio::join!(agent.stop(), far);
    }

    #[tokio::test]
    async fn a_dropped_agent_sees_its_end() {
        let (agent, mut far) = pair(Contents::default(), 0).await;
        drop(agent);
        assert_eq!(far.from.read(&mut [0]).await.unwrap(), 0);
    }
}
