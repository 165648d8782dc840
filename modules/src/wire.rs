//! The wire between `engine` and its agent: framed MessagePack over stdin and stdout.
//!
//! A frame is a length (u32, little endian, at most [`FRAME_LIMIT`]) and that many bytes of MessagePack
//! with named fields, so that either side may be newer. Content travels by its SHA-256 and only when asked for.

use crate::change::Change;
use crate::module::Failure;
use crate::value::Map;
use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write};

/// The largest frame either side accepts; larger content travels in several `Blob` frames.
pub const FRAME_LIMIT: usize = 64 << 20;
/// The size of the pieces that content travels in.
pub const PIECE: usize = 1 << 20;

/// What `engine` tells an agent.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum ToAgent {
    /// Run a module.
    Run(Request),
    /// A piece of content that the agent asked for; the last piece has `last`.
    Blob {
        /// SHA-256 in hex.
        hash: String,
        /// The bytes.
        #[serde(with = "bytes")]
        data: Vec<u8>,
        /// Whether nothing follows.
        last: bool,
    },
    /// The content that the agent asked for cannot be had.
    NoBlob {
        /// SHA-256 in hex.
        hash: String,
        /// Why.
        why: String,
    },
    /// Hand over what this plan has written in memory, for another user's agent on the same host.
    TakeOverlay,
    /// Go on from what another user's agent has written in memory.
    PutOverlay(#[serde(with = "bytes")] Vec<u8>),
    /// End: nothing follows.
    Stop,
}

/// What an agent tells `engine`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum FromAgent {
    /// First message: the agent is up.
    Hello {
        /// Version of the program.
        version: String,
        /// Who it runs as.
        user: String,
    },
    /// A module is done.
    Done(Response),
    /// The module needs content.
    NeedBlob {
        /// SHA-256 in hex.
        hash: String,
    },
    /// Answer to `TakeOverlay`.
    Overlay(#[serde(with = "bytes")] Vec<u8>),
}

/// One module run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Request {
    /// Chosen by `engine`; the response carries it.
    pub id: u64,
    /// Short name of the module.
    pub module: String,
    /// Its arguments, rendered, without secret marks.
    pub args: Map,
    /// Whether to change the host; otherwise changes stay in the overlay's memory.
    pub live: bool,
    /// Whether the overlay forgets first: a task that only looks, in a run that changes.
    #[serde(default)]
    pub fresh: bool,
    /// Environment variables of the task.
    pub environment: Vec<(String, String)>,
    /// Seconds after which the module is given up; 0 for no limit.
    pub timeout: u64,
}

/// The answer to a [`Request`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Response {
    /// The request's.
    pub id: u64,
    /// How it ended.
    pub status: Status,
    /// Return values by Ansible's names.
    pub returns: Map,
    /// What changed, or would change.
    pub changes: Vec<Change>,
    /// Things the user should know.
    pub warnings: Vec<String>,
}

/// How a module ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Status {
    /// Done.
    Done,
    /// Done; by its own conditions there was nothing to do.
    Skipped,
    /// Failed.
    Failed(Failure),
    /// Cannot be told before apply; the text says what it depends on.
    Unknown(String),
}

/// Writes one frame and flushes.
pub fn write_frame<T: Serialize>(to: &mut impl Write, message: &T) -> io::Result<()> {
    let bytes = encode(message)?;
    to.write_all(&bytes)?;
    to.flush()
}

/// One frame's bytes, length first.
pub fn encode<T: Serialize>(message: &T) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; 4];
    rmp_serde::encode::write_named(&mut bytes, message).map_err(io::Error::other)?;
    let length = bytes.len() - 4;
    if length > FRAME_LIMIT {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a message of {length} bytes exceeds the limit of {FRAME_LIMIT}")));
    }
    bytes[..4].copy_from_slice(&(length as u32).to_le_bytes());
    Ok(bytes)
}

/// Reads one frame; `None` at the end of the stream.
pub fn read_frame<T: for<'de> Deserialize<'de>>(from: &mut impl Read) -> io::Result<Option<T>> {
    let mut length = [0; 4];
    match from.read_exact(&mut length) {
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let length = u32::from_le_bytes(length) as usize;
    if length > FRAME_LIMIT {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a message of {length} bytes exceeds the limit of {FRAME_LIMIT}")));
    }
    let mut bytes = vec![0; length];
    from.read_exact(&mut bytes)?;
    decode(&bytes).map(Some)
}

/// Reads a message from a frame's content.
pub fn decode<T: for<'de> Deserialize<'de>>(bytes: &[u8]) -> io::Result<T> {
    rmp_serde::from_slice(bytes).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))
}

/// Bytes as one MessagePack value, where serde's own way is a list of numbers.
pub(crate) mod bytes {
    use serde::de::{Error, SeqAccess, Visitor};
    use serde::{Deserializer, Serializer};
    use std::fmt;

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], s: S) -> Result<S::Ok, S::Error> {
        s.serialize_bytes(bytes)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<u8>, D::Error> {
        struct Bytes;
        impl<'de> Visitor<'de> for Bytes {
            type Value = Vec<u8>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }
            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }
            fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
                Ok(bytes)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<u8>, A::Error> {
                let mut bytes = Vec::new();
                while let Some(byte) = seq.next_element()? {
                    bytes.push(byte);
                }
                Ok(bytes)
            }
        }
        d.deserialize_byte_buf(Bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Value;

    #[test]
    fn messages_travel() {
        let mut frames = Vec::new();
        let data: Vec<u8> = (0..=255).collect();
        write_frame(&mut frames, &ToAgent::Blob { hash: "h".into(), data: data.clone(), last: true }).expect("written");
        assert!(frames.len() < data.len() + 40, "bytes travel as bytes: {}", frames.len());
        write_frame(&mut frames, &ToAgent::PutOverlay(data.clone())).expect("written");
        write_frame(&mut frames, &ToAgent::Stop).expect("written");
        let mut from = frames.as_slice();
        let mut next = || read_frame::<ToAgent>(&mut from).expect("whole");
        assert!(matches!(next(), Some(ToAgent::Blob { data: got, last: true, .. }) if got == data));
        assert!(matches!(next(), Some(ToAgent::PutOverlay(got)) if got == data));
        assert!(matches!(next(), Some(ToAgent::Stop)));
        assert!(next().is_none());
    }

    #[test]
    fn a_newer_side_may_say_more() {
        let newer =
            Value::map([("id", Value::Int(1)), ("module", Value::str("m")), ("args", Value::map::<&str>([])), ("later", Value::Null)]);
        let older = Value::map([("live", Value::Bool(true)), ("environment", Value::list([])), ("timeout", Value::Int(0))]);
        let both: Map = newer.as_map().into_iter().chain(older.as_map()).flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
        let bytes = encode(&Value::from(both)).expect("encoded");
        let request: Request = decode(&bytes[4..]).expect("what is not known is passed over");
        assert_eq!((request.id, request.module.as_str(), request.live), (1, "m", true));
    }

    #[test]
    fn broken_frames_are_refused() {
        let too_long = (FRAME_LIMIT as u32 + 1).to_le_bytes();
        for bytes in [&too_long[..], &[5, 0, 0, 0, 1][..], &[1, 0, 0, 0, 0xc1][..], &[1, 0][..]] {
            let mut from = bytes;
            // A length that is cut off is the end of the stream: the other side died.
            let read = read_frame::<ToAgent>(&mut from);
            assert!(matches!(read, Err(_) | Ok(None)), "{bytes:?}");
        }
        assert!(encode(&"x".repeat(FRAME_LIMIT)).is_err());
    }
}
