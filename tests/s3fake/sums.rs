//! Checksums as S3 knows them: base64 of the big-endian value, of a whole object or of the values of its parts.

use std::collections::BTreeMap;

use aws_smithy_types::base64;
use hyper::HeaderMap;
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Md5};
use serde::{Deserialize, Serialize};

pub const ALGORITHMS: [&str; 5] = ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"];

/// Values by algorithm.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sums {
    pub values: BTreeMap<String, String>,
    /// Of the values of the parts, not of the bytes.
    pub composite: bool,
}

/// The checksums of a message of S3: they all have the same five fields.
macro_rules! sums_of {
    ($message:expr) => {
        super::sums::Sums::from_fields([
            &$message.checksum_crc32,
            &$message.checksum_crc32c,
            &$message.checksum_crc64nvme,
            &$message.checksum_sha1,
            &$message.checksum_sha256,
        ])
    };
}
pub(super) use sums_of;

/// The other way.
macro_rules! show_sums {
    ($message:expr, $sums:expr) => {{
        $message.checksum_crc32 = $sums.value("CRC32");
        $message.checksum_crc32c = $sums.value("CRC32C");
        $message.checksum_crc64nvme = $sums.value("CRC64NVME");
        $message.checksum_sha1 = $sums.value("SHA1");
        $message.checksum_sha256 = $sums.value("SHA256");
    }};
}
pub(super) use show_sums;

impl Sums {
    /// In the order of [`ALGORITHMS`].
    pub fn from_fields(fields: [&Option<String>; 5]) -> Self {
        let named = ALGORITHMS.iter().zip(fields);
        let values = named.filter_map(|(name, value)| Some((name.to_string(), value.clone()?))).collect();
        Self { values, composite: false }
    }

    /// Headers or trailers such as `x-amz-checksum-crc32c`.
    pub fn from_headers(headers: &HeaderMap) -> Self {
        let fields = ALGORITHMS.map(|name| {
            let value = headers.get(format!("x-amz-checksum-{}", name.to_lowercase()))?;
            value.to_str().ok().map(str::to_owned)
        });
        Self::from_fields(fields.each_ref())
    }

    pub fn value(&self, algorithm: &str) -> Option<String> {
        self.values.get(algorithm).cloned()
    }

    /// The first algorithm with another value than the one that was given.
    pub fn contradicted_by(&self, given: &Sums) -> Option<String> {
        let differs = |(name, value): &(&String, &String)| self.values.get(*name) != Some(*value);
        given.values.iter().find(differs).map(|(name, _)| name.clone())
    }

    /// `FULL_OBJECT` or `COMPOSITE`, where there is a value.
    pub fn kind(&self) -> Option<&'static str> {
        let kind = if self.composite { "COMPOSITE" } else { "FULL_OBJECT" };
        (!self.values.is_empty()).then_some(kind)
    }

    /// Of the parts' values: base64 of the checksum of the concatenated raw values, and the number of parts.
    pub fn of_parts<'a>(algorithm: &str, parts: impl Iterator<Item = &'a Sums>) -> Option<Self> {
        let (mut hasher, mut count) = (Hasher::new([algorithm]), 0);
        for part in parts {
            hasher.update(&base64::decode(part.value(algorithm)?).ok()?);
            count += 1;
        }
        let value = hasher.finish().0.value(algorithm)?;
        let values = BTreeMap::from([(algorithm.to_owned(), format!("{value}-{count}"))]);
        Some(Self { values, composite: true })
    }
}

/// MD5 and the checksums that were asked for, in one pass.
pub struct Hasher {
    md5: Md5,
    sums: ChecksumHasher,
}

impl Hasher {
    pub fn new<'a>(algorithms: impl IntoIterator<Item = &'a str>) -> Self {
        let mut sums = ChecksumHasher::default();
        for algorithm in algorithms {
            match algorithm {
                "CRC32" => sums.crc32 = Some(Default::default()),
                "CRC32C" => sums.crc32c = Some(Default::default()),
                "CRC64NVME" => sums.crc64nvme = Some(Default::default()),
                "SHA1" => sums.sha1 = Some(Default::default()),
                "SHA256" => sums.sha256 = Some(Default::default()),
                _ => {}
            }
        }
        Self { md5: Md5::new(), sums }
    }

    pub fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        self.sums.update(bytes);
    }

    /// The checksums, and the MD5.
    pub fn finish(self) -> (Sums, [u8; 16]) {
        let computed = self.sums.finalize();
        (sums_of!(computed), self.md5.finalize())
    }
}

/// As ETags are written.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The ETag of an object in parts: of the raw MD5s of its parts, and their number.
pub fn etag_of_parts<'a>(etags: impl Iterator<Item = &'a str>) -> String {
    let (mut md5, mut count) = (Md5::new(), 0);
    for etag in etags {
        let digit = |at: usize| u8::from_str_radix(&etag[at..at + 2], 16).expect("we write ETags in hex");
        md5.update(&(0..etag.len()).step_by(2).map(digit).collect::<Vec<u8>>());
        count += 1;
    }
    format!("{}-{count}", hex(md5.finalize().as_ref()))
}
