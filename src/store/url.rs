//! How a person writes a target, and back.

use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::StoreError;

/// A target as it stands in the configuration.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum StoreUrl {
    /// A directory, absolute. Written as `file:///path` (with %-escapes) or as a plain path (as it is).
    Dir(PathBuf),
}

impl StoreUrl {
    /// A relative path is taken from the current directory.
    pub fn parse(text: &str) -> Result<Self, StoreError> {
        let bad = |reason| StoreError::BadUrl { url: text.to_owned(), reason };
        if text.is_empty() {
            return Err(bad("it is empty"));
        }
        match text.split_once("://") {
            Some(("file", rest)) if rest.starts_with('/') => Ok(Self::Dir(unescape(rest).ok_or_else(|| bad(ESCAPE))?)),
            Some(("file", _)) => Err(bad("file:// takes no host: write file:///path")),
            Some((scheme, _)) if is_scheme(scheme) => Err(unsupported(scheme, bad)),
            _ => Self::from_path(Path::new(text)),
        }
    }

    pub fn from_path(path: &Path) -> Result<Self, StoreError> {
        let failed =
            |_| StoreError::BadUrl { url: path.display().to_string(), reason: "the current directory is not there" };
        std::path::absolute(path).map(Self::Dir).map_err(failed)
    }

    /// The directory, when it is one: an embedded repository must not back up itself.
    pub fn as_dir(&self) -> Option<&Path> {
        match self {
            StoreUrl::Dir(path) => Some(path),
        }
    }
}

const ESCAPE: &str = "a % is not followed by two hexadecimal digits of a byte other than zero";

fn unsupported(scheme: &str, bad: impl FnOnce(&'static str) -> StoreError) -> StoreError {
    match scheme {
        "s3" | "sftp" => StoreError::NotYetSupported { scheme: scheme.to_owned() },
        _ => bad("the part before :// is no kind of target"),
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
}

fn unescape(text: &str) -> Option<PathBuf> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, tail) = rest.split_at_checked(2)?;
        bytes.push(unescaped_byte(digits).filter(|b| *b != 0)?);
        rest = tail;
    }
    Some(PathBuf::from(OsString::from_vec(bytes)))
}

fn unescaped_byte(digits: &[u8]) -> Option<u8> {
    let value = |d: &u8| char::from(*d).to_digit(16);
    u8::try_from(value(digits.first()?)? * 16 + value(digits.get(1)?)?).ok()
}

impl FromStr for StoreUrl {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        Self::parse(text)
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let StoreUrl::Dir(path) = self;
        f.write_str("file://")?;
        path.as_os_str().as_bytes().iter().try_for_each(|b| match b {
            b'%' | b'?' | b'#' | b'\\' | 0..=b' ' | 0x7f.. => write!(f, "%{b:02X}"),
            _ => write!(f, "{}", char::from(*b)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_parses_to_the_same_target() {
        for path in [&b"/srv/backup"[..], b"/with space/100%/\xff\n", b"/"] {
            let url = StoreUrl::Dir(PathBuf::from(OsString::from_vec(path.to_vec())));
            assert_eq!(StoreUrl::parse(&url.to_string()).unwrap(), url);
        }
        assert_eq!(StoreUrl::parse("/a/b%20c").unwrap().to_string(), "file:///a/b%2520c");
    }

    #[test]
    fn a_plain_path_is_taken_from_the_current_directory() {
        let here = std::env::current_dir().unwrap();
        assert_eq!(StoreUrl::parse("x/y").unwrap(), StoreUrl::Dir(here.join("x/y")));
    }

    #[test]
    fn what_is_no_target_says_why() {
        let message = |text| StoreUrl::parse(text).unwrap_err().to_string();
        assert!(message("").contains("empty"));
        assert!(message("file://host/path").contains("file:///path"));
        assert!(message("file:///a%2").contains('%'));
        assert!(message("file:///a%00b").contains("zero"));
        assert!(message("s3://bucket/x").contains("s3:// are not supported yet"));
        assert!(message("http://x").contains("no kind of target"));
    }
}
