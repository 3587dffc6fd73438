//! zstd with the decision not to use it.

use zstd::bulk::{Compressor, Decompressor};

use super::SealError;

const SAMPLE: usize = 4096;
/// Content that saves less than 1/32 is stored: decompression would cost more than the bytes.
const WORTH: usize = 32;

pub(super) struct Packer {
    compressor: Compressor<'static>,
    probe: Compressor<'static>,
    probed: Vec<u8>,
}

impl Packer {
    pub fn new(level: i32) -> Result<Self, SealError> {
        let compressor = Compressor::new(level).map_err(SealError::Compress)?;
        let probe = Compressor::new(1).map_err(SealError::Compress)?;
        Ok(Self { compressor, probe, probed: Vec::new() })
    }

    /// `true`: `out` holds a zstd frame; `false`: the content is better stored as it is.
    pub fn compress(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<bool, SealError> {
        out.clear();
        if !self.looks_compressible(plain)? {
            return Ok(false);
        }
        out.reserve(zstd::zstd_safe::compress_bound(plain.len()));
        let len = self.compressor.compress_to_buffer(plain, out).map_err(SealError::Compress)?;
        Ok(len + plain.len() / WORTH < plain.len())
    }

    /// Four samples at level 1; short content is simply tried.
    fn looks_compressible(&mut self, plain: &[u8]) -> Result<bool, SealError> {
        if plain.len() < 16 * SAMPLE {
            return Ok(true);
        }
        let step = (plain.len() - SAMPLE) / 3;
        let mut total = 0;
        for at in (0..4).map(|i| i * step) {
            self.probed.clear();
            self.probed.reserve(zstd::zstd_safe::compress_bound(SAMPLE));
            let sample = &plain[at..at + SAMPLE];
            total += self.probe.compress_to_buffer(sample, &mut self.probed).map_err(SealError::Compress)?;
        }
        Ok(total < 4 * SAMPLE - 4 * SAMPLE / WORTH)
    }
}

/// Decompresses exactly `raw_len` bytes into `out`; more or less is damage.
pub(super) fn decompress(
    decompressor: &mut Decompressor<'static>,
    packed: &[u8],
    raw_len: usize,
    out: &mut Vec<u8>,
) -> Result<(), SealError> {
    out.clear();
    out.reserve_exact(raw_len);
    let len = decompressor.decompress_to_buffer(packed, out).map_err(SealError::Decompress)?;
    if len != raw_len { Err(SealError::Frame("its content has another length than its head says")) } else { Ok(()) }
}

pub(super) fn decompressor() -> Result<Decompressor<'static>, SealError> {
    let mut decompressor = Decompressor::new().map_err(SealError::Decompress)?;
    // a frame never needs a larger window than its content: bounds what a hostile one can ask for
    decompressor.set_parameter(zstd::zstd_safe::DParameter::WindowLogMax(24)).map_err(SealError::Decompress)?;
    Ok(decompressor)
}
