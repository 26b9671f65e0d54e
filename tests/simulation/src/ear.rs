//! Hears the gRPC messages in what is sent on a connection, one way. Of HTTP/2 it knows what it takes to find them: the
//! frames, and those of them that carry data.

use std::collections::HashMap;

use prost::Message;

/// What a client says first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Length, type, flags, stream.
const HEAD: usize = 9;
const DATA: u8 = 0;
/// Whether it is compressed, which none is, and the length.
const PREFIX: usize = 5;

/// One direction of a connection.
#[derive(Debug, Default)]
pub struct Ear {
    bytes: Vec<u8>,
    /// Data of each stream that is not a whole message yet.
    streams: HashMap<u32, Vec<u8>>,
}

impl Ear {
    /// Hears more; the messages that are whole by that.
    pub fn hear<M: Message + Default>(&mut self, bytes: &[u8]) -> Vec<M> {
        self.bytes.extend_from_slice(bytes);
        let mut messages = Vec::new();
        loop {
            if self.bytes.starts_with(&PREFACE[..4]) {
                if self.bytes.len() < PREFACE.len() {
                    break;
                }
                self.bytes.drain(..PREFACE.len());
            }
            let Some(&[a, b, c, kind, _, ref stream @ ..]) = self.bytes.first_chunk::<HEAD>() else { break };
            let end = HEAD + number(&[a, b, c]);
            if self.bytes.len() < end {
                break;
            }
            if kind == DATA {
                let data = self.streams.entry(number(stream) as u32).or_default();
                data.extend_from_slice(&self.bytes[HEAD..end]);
                messages.extend(std::iter::from_fn(|| take(data)));
            }
            self.bytes.drain(..end);
        }
        messages
    }
}

/// The first message, if it is whole.
fn take<M: Message + Default>(data: &mut Vec<u8>) -> Option<M> {
    let [_, length @ ..] = data.first_chunk::<PREFIX>()?;
    let end = PREFIX + number(length);
    let message = data.get(PREFIX..end)?;
    let message = M::decode(message).expect("both ends speak gRPC");
    data.drain(..end);
    Some(message)
}

fn number(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte))
}
