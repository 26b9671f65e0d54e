//! Several messages in one input: each behind its length, two bytes, little-endian. A length that reaches beyond the end
//! stands for what is left, so that the fuzzer can hardly do wrong.

use prost::Message;

/// The messages in `bytes`; `None` if one is none.
pub(crate) fn split<M: Message + Default>(mut bytes: &[u8]) -> Option<Vec<M>> {
    let mut messages = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<2>() {
        let (message, rest) = rest.split_at(rest.len().min(u16::from_le_bytes(*length).into()));
        messages.push(M::decode(message).ok()?);
        bytes = rest;
    }
    Some(messages)
}

/// `messages` as [`split`] takes them. The last may be longer than a length can say; the others may not.
pub(crate) fn join<M: Message>(messages: &[M]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for message in messages {
        let message = message.encode_to_vec();
        bytes.extend(u16::try_from(message.len()).unwrap_or(u16::MAX).to_le_bytes());
        bytes.extend(message);
    }
    bytes
}
