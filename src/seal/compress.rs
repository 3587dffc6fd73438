//! zstd with the decision not to use it.

use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::{self, DParameter};

use super::SealError;
use super::frame::{Codec, FrameHead};
use crate::crypto::BodyKey;

/// Content that saves less than 1/32 is stored: decompression would cost more than the bytes.
const WORTH: usize = 32;
/// Up to this level zstd itself runs over incompressible content at some 5 GB/s, as fast as any look at samples, and
/// finds what samples miss (repeats between members of an archive, text between pictures). Above it gets slow.
const QUICK_LEVEL: i32 = 3;

pub(super) struct Packer {
    compressor: Compressor<'static>,
    /// Recognises incompressible content for slow levels.
    probe: Option<Compressor<'static>>,
}

impl Packer {
    pub fn new(level: i32) -> Result<Self, SealError> {
        let compressor = Compressor::new(level).map_err(SealError::Compress)?;
        let probe = (level > QUICK_LEVEL).then(|| Compressor::new(1)).transpose().map_err(SealError::Compress)?;
        Ok(Self { compressor, probe })
    }

    /// `true`: `out` holds a zstd frame; `false`: the content is better stored as it is.
    pub fn compress(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<bool, SealError> {
        if let Some(probe) = &mut self.probe
            && !saves_enough(probe, plain, out)?
        {
            return Ok(false);
        }
        saves_enough(&mut self.compressor, plain, out)
    }
}

fn saves_enough(compressor: &mut Compressor<'static>, plain: &[u8], out: &mut Vec<u8>) -> Result<bool, SealError> {
    out.clear();
    out.reserve(zstd_safe::compress_bound(plain.len()));
    let len = compressor.compress_to_buffer(plain, out).map_err(SealError::Compress)?;
    Ok(len + plain.len() / WORTH < plain.len())
}

/// Sealed body → plain content. Keeps its context and its buffer: making them costs more than a small frame.
pub(super) struct Unpacker {
    decompressor: Decompressor<'static>,
    payload: Vec<u8>,
}

impl Unpacker {
    pub fn new() -> Result<Self, SealError> {
        let mut decompressor = Decompressor::new().map_err(SealError::Decompress)?;
        // a frame never needs a larger window than its content: bounds what a hostile one can ask for
        decompressor.set_parameter(DParameter::WindowLogMax(24)).map_err(SealError::Decompress)?;
        Ok(Self { decompressor, payload: Vec::new() })
    }

    /// Replaces what is in `content`; on an error that is not to be used.
    pub fn open(
        &mut self,
        head: &FrameHead,
        key: &BodyKey,
        ad: &[u8],
        sealed: &[u8],
        content: &mut Vec<u8>,
    ) -> Result<(), SealError> {
        match head.codec {
            Codec::Stored => key.open_into(ad, sealed, content)?,
            Codec::Zstd => {
                key.open_into(ad, sealed, &mut self.payload)?;
                self.decompress(head.raw_len as usize, content)?;
            }
        }
        if content.len() == head.raw_len as usize {
            return Ok(());
        }
        Err(SealError::Frame("its content has another length than its head says"))
    }

    /// The payload must be one zstd frame that announces exactly `raw_len` bytes: nothing else is ever written.
    fn decompress(&mut self, raw_len: usize, content: &mut Vec<u8>) -> Result<(), SealError> {
        let announced = zstd_safe::get_frame_content_size(&self.payload).ok().flatten();
        if announced != Some(raw_len as u64) {
            return Err(SealError::Frame("its zstd frame announces another length than its head says"));
        }
        if zstd_safe::find_frame_compressed_size(&self.payload).ok() != Some(self.payload.len()) {
            return Err(SealError::Frame("it is not exactly one zstd frame"));
        }
        content.clear();
        content.reserve_exact(raw_len);
        self.decompressor.decompress_to_buffer(&self.payload, content).map(|_| ()).map_err(SealError::Decompress)
    }
}
