//! zstd with the decision not to use it.

use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::{self, DParameter};

use super::SealError;
use super::frame::{Codec, FrameHead};
use crate::crypto::BodyKey;

/// Content that saves less than 1/32 is stored: decompression would cost more than the bytes.
const WORTH: usize = 32;
/// Of content of this length and more samples tell whether it may be worth it. Shorter content would have to be sampled so densely
/// that nothing is saved, and mixes less.
const SAMPLED_FROM: usize = 512 << 10;
/// So many samples of so many bytes each, at equal distances from the first bytes to the last: of a part that compresses and is
/// longer than the distance, one is found (docs/architecture.md, "Where the time goes").
const SAMPLES: usize = 16;
const SAMPLE_LEN: usize = 8 << 10;
/// Up to this level zstd runs over short content that does not compress at some 4 GB/s, above it not.
const QUICK_LEVEL: i32 = 3;

pub(super) struct Packer {
    compressor: Compressor<'static>,
    /// Recognises what does not compress.
    probe: Compressor<'static>,
    is_slow: bool,
}

impl Packer {
    pub fn new(level: i32) -> Result<Self, SealError> {
        let compressor = |level| Compressor::new(level).map_err(SealError::Compress);
        Ok(Self { compressor: compressor(level)?, probe: compressor(1)?, is_slow: level > QUICK_LEVEL })
    }

    /// `true`: `out` holds a zstd frame; `false`: the content is better stored as it is.
    pub fn compress(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<bool, SealError> {
        Ok(self.may_be_worth_it(plain, out)? && saves_enough(&mut self.compressor, plain, out)?)
    }

    fn may_be_worth_it(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<bool, SealError> {
        if plain.len() < SAMPLED_FROM {
            return Ok(!self.is_slow || saves_enough(&mut self.probe, plain, out)?);
        }
        let distance = (plain.len() - SAMPLE_LEN) / (SAMPLES - 1);
        for sample in (0..SAMPLES).map(|at| &plain[at * distance..][..SAMPLE_LEN]) {
            if saves_enough(&mut self.probe, sample, out)? {
                return Ok(true);
            }
        }
        Ok(false)
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
