//! How messages become bytes: prost, with buffers for tens of thousands of streams that are silent most of the time.

use std::marker::PhantomData;

use prost::Message;
use tonic::codec::{BufferSettings, Codec};
use tonic_prost::{ProstDecoder, ProstEncoder};

/// What a stream keeps for the next message, each way, in bytes; tonic's own 8 KiB are most of what an idle worker
/// costs. A larger message takes what it needs.
const KEPT_BYTES: usize = 512;
/// Messages that are ready together are sent together, up to so many bytes.
const TOGETHER_BYTES: usize = 32 << 10;

/// The codec of all services of this crate: sends `T`, receives `U`.
#[derive(Debug, Clone)]
pub(crate) struct LeanCodec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for LeanCodec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for LeanCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = ProstDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::new(buffers())
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstDecoder::new(buffers())
    }
}

fn buffers() -> BufferSettings {
    BufferSettings::new(KEPT_BYTES, TOGETHER_BYTES)
}
