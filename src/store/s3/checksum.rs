//! Checksums of bodies, known before the first byte leaves: a header, never a trailer that older servers refuse.
//!
//! They guard the way to the target alone; what objects hold is authenticated by the format.

use crc_fast::{CrcAlgorithm, Digest as Crc, checksum_combine};
use md5::{Digest, Md5};

use crate::model::{base64_decode, base64_encode};
use crate::store::PartReceipt;

/// What a server is asked to check.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Checksum {
    /// Of parts and, combined from them, of the whole object. What AWS recommends.
    Crc64Nvme,
    /// `Content-MD5` of each body: what every server knows.
    Md5,
}

impl Checksum {
    pub(super) const ALL: [Checksum; 2] = [Checksum::Crc64Nvme, Checksum::Md5];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Checksum::Crc64Nvme => "crc64nvme",
            Checksum::Md5 => "md5",
        }
    }
}

/// A checksum while its bytes go by.
pub(super) enum Summing {
    Crc64(Crc),
    Md5(Box<Md5>),
}

impl Summing {
    pub(super) fn new(checksum: Checksum) -> Self {
        match checksum {
            Checksum::Crc64Nvme => Summing::Crc64(Crc::new(CrcAlgorithm::Crc64Nvme)),
            Checksum::Md5 => Summing::Md5(Box::default()),
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Summing::Crc64(crc) => crc.update(bytes),
            Summing::Md5(md5) => md5.update(bytes),
        }
    }

    pub(super) fn finish(self) -> Sum {
        match self {
            Summing::Crc64(crc) => Sum::Crc64(crc.finalize()),
            Summing::Md5(md5) => Sum::Md5(md5.finalize().into()),
        }
    }
}

/// The checksum of one body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sum {
    Crc64(u64),
    Md5([u8; 16]),
}

impl Sum {
    pub(super) fn crc64(self) -> Option<u64> {
        match self {
            Sum::Crc64(crc) => Some(crc),
            Sum::Md5(_) => None,
        }
    }

    /// The header `x-amz-checksum-crc64nvme`.
    pub(super) fn crc64_header(self) -> Option<String> {
        self.crc64().map(crc64_text)
    }

    /// The header `Content-MD5`.
    pub(super) fn md5_header(self) -> Option<String> {
        match self {
            Sum::Crc64(_) => None,
            Sum::Md5(md5) => Some(base64_encode(&md5)),
        }
    }

    /// As servers write it in the ETag of a part.
    pub(super) fn md5_hex(self) -> Option<String> {
        match self {
            Sum::Crc64(_) => None,
            Sum::Md5(md5) => Some(md5.iter().map(|byte| format!("{byte:02x}")).collect()),
        }
    }
}

pub(super) fn crc64_text(crc: u64) -> String {
    base64_encode(&crc.to_be_bytes())
}

pub(super) fn crc64_from(text: &str) -> Option<u64> {
    base64_decode(text)?.try_into().ok().map(u64::from_be_bytes)
}

/// Of the object that `parts` make, in their order; `None` when one of them has no checksum.
pub(super) fn crc64_of_parts(parts: &[PartReceipt]) -> Option<u64> {
    let mut parts = parts.iter();
    let first = parts.next()?.crc64?;
    parts.try_fold(first, |all, part| Some(checksum_combine(CrcAlgorithm::Crc64Nvme, all, part.crc64?, part.size)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(checksum: Checksum, bytes: &[u8]) -> Sum {
        let mut summing = Summing::new(checksum);
        bytes.chunks(3).for_each(|piece| summing.update(piece));
        summing.finish()
    }

    #[test]
    fn published_check_values_hold() {
        assert_eq!(sum(Checksum::Crc64Nvme, b"123456789").crc64(), Some(0xae8b_1486_0a79_9888));
        assert_eq!(sum(Checksum::Md5, b"").md5_header().unwrap(), "1B2M2Y8AsgTpgAmY7PhCfg==");
        assert_eq!(crc64_from(&crc64_text(0xae8b_1486_0a79_9888)), Some(0xae8b_1486_0a79_9888));
        assert_eq!(crc64_from("AAAA"), None);
    }

    #[test]
    fn checksums_of_parts_combine_to_that_of_the_whole() {
        let bytes: Vec<u8> = (0..10_000u32).map(|at| (at * 31 % 251) as u8).collect();
        let receipt = |number: u32, part: &[u8]| {
            let crc64 = sum(Checksum::Crc64Nvme, part).crc64();
            PartReceipt { number, size: part.len() as u64, etag: String::new(), crc64 }
        };
        let mut parts = vec![receipt(1, &bytes[..4096]), receipt(2, &bytes[4096..8192]), receipt(3, &bytes[8192..])];
        assert_eq!(crc64_of_parts(&parts), sum(Checksum::Crc64Nvme, &bytes).crc64());
        parts[1].crc64 = None;
        assert_eq!(crc64_of_parts(&parts), None);
        assert_eq!(crc64_of_parts(&[]), None);
    }
}
