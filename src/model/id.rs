//! Ids as newtypes: they print as lower-case hex, parse from it, and cannot be mixed up.

use std::fmt;
use std::str::FromStr;

/// Text that is not the hex of an id of the expected length.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected} hexadecimal digits, found {found:?}")]
pub struct IdError {
    pub expected: usize,
    pub found: String,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            pub const LEN: usize = $len;

            pub fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }

            /// `None` when the slice has another length.
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                let mut out = [0u8; $len];
                unhex(text, &mut out).map(|()| Self(out))
            }
        }

        impl<C> minicbor::Encode<C> for $name {
            fn encode<W: minicbor::encode::Write>(
                &self,
                e: &mut minicbor::Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                e.bytes(&self.0)?.ok()
            }
        }

        impl<'b, C> minicbor::Decode<'b, C> for $name {
            fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
                Self::from_slice(d.bytes()?)
                    .ok_or_else(|| minicbor::decode::Error::message(concat!("wrong length of ", stringify!($name))))
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }
    };
}

id!(
    /// Id of a chunk: keyed BLAKE2b-256 of its plain content (docs/format.md, "Chunk ids").
    ChunkId, 32
);
id!(
    /// Id of one file's content: keyed BLAKE2b-128 (docs/format.md, "File ids").
    FileId, 16
);
id!(
    /// BLAKE2b-256 of a stored object's bytes: its name, checkable without a key.
    ObjectHash, 32
);
id!(RepoId, 16);
id!(MachineId, 16);
id!(
    /// Names one key slot of a pack header; frames are bound to it.
    SlotId, 16
);

id!(
    /// A root where its id must not be read: a keyed hash of the id (docs/format.md, "Listing").
    RootTag, 16
);

/// Sequence number of a snapshot of one machine, from 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Seq(pub u64);

impl Seq {
    pub fn next(self) -> Seq {
        Seq(self.0 + 1)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn unhex(text: &str, out: &mut [u8]) -> Result<(), IdError> {
    let error = || IdError { expected: out.len() * 2, found: text.chars().take(80).collect() };
    let digits = text.as_bytes();
    // `u8::from_str_radix` takes a sign: look at the digits first
    if digits.len() != out.len() * 2 || !digits.iter().all(|d| matches!(d, b'0'..=b'9' | b'a'..=b'f')) {
        return Err(error());
    }
    for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |d: u8| if d <= b'9' { d - b'0' } else { d - b'a' + 10 };
        *byte = digit(pair[0]) << 4 | digit(pair[1]);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_prints_as_the_hex_that_it_parses() {
        let id = FileId(*b"\x00\x01\xfe\xffabcdefghijkl");
        assert_eq!(id.to_string().parse::<FileId>(), Ok(id));
        for bad in ["", "00", "+0000000000000000000000000000000", "ABCDEFABCDEFABCDEFABCDEFABCDEFAB"] {
            assert!(bad.parse::<FileId>().is_err(), "{bad}");
        }
    }
}
