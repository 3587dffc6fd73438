//! How a person writes a target, and back.

use std::borrow::Cow;
use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::StoreError;
use super::escape::{BAD_ESCAPE, escape, unescape};
use super::s3::S3Address;

/// A target as it stands in the configuration.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum StoreUrl {
    /// A directory, absolute. Written as `file:///path` (with %-escapes) or as a plain path (as it is).
    Dir(PathBuf),
    /// A bucket, or a part of one: `s3://bucket/prefix?endpoint=…`.
    S3(S3Address),
}

impl StoreUrl {
    /// A relative path is taken from the current directory.
    pub fn parse(text: &str) -> Result<Self, StoreError> {
        if text.is_empty() {
            return Err(bad(text, "it is empty"));
        }
        if text.starts_with('~') {
            return Err(bad(
                text,
                "nothing expands the ~ here: write the path in full, or ./~ for a folder of that name",
            ));
        }
        match text.split_once("://") {
            Some(("file", rest)) if rest.starts_with('/') => {
                let path = unescape(rest).ok_or_else(|| bad(text, BAD_ESCAPE))?;
                Ok(Self::Dir(PathBuf::from(OsString::from_vec(path))))
            }
            Some(("file", _)) => Err(bad(text, "file:// takes no host: write file:///path")),
            Some(("s3", rest)) => {
                S3Address::parse(rest).map(Self::S3).map_err(|reason| bad(&without_secrets(text), reason))
            }
            Some((scheme, _)) if is_scheme(scheme) => Err(unsupported(text, scheme)),
            _ if text.starts_with("file:") => Err(bad(text, "write file:///path")),
            _ if text.starts_with("s3:") => Err(bad(&without_secrets(text), "write s3://bucket/prefix")),
            _ => Self::from_path(Path::new(text)),
        }
    }

    pub fn from_path(path: &Path) -> Result<Self, StoreError> {
        let failed = |_| bad(&path.display().to_string(), "the current directory is not there");
        std::path::absolute(path).map(Self::Dir).map_err(failed)
    }

    /// The directory, when it is one: an embedded repository must not back up itself.
    pub fn as_dir(&self) -> Option<&Path> {
        match self {
            StoreUrl::Dir(path) => Some(path),
            StoreUrl::S3(_) => None,
        }
    }
}

fn bad(text: &str, reason: impl Into<Cow<'static, str>>) -> StoreError {
    StoreError::BadUrl { url: text.to_owned(), reason: reason.into() }
}

/// Somebody may have written keys into it: what is refused is shown without its options and without what stands before
/// an `@`.
fn without_secrets(text: &str) -> String {
    let shown = text.split(['?', '#']).next().unwrap_or_default();
    match shown.rsplit_once('@') {
        Some((_, after)) => format!("s3://…@{after}"),
        None => shown.to_owned(),
    }
}

fn unsupported(text: &str, scheme: &str) -> StoreError {
    match scheme {
        "sftp" => StoreError::NotYetSupported { scheme: scheme.to_owned() },
        _ => bad(text, "the part before :// is no kind of target"),
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
}

impl FromStr for StoreUrl {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        Self::parse(text)
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreUrl::Dir(path) => {
                f.write_str("file://")?;
                escape(f, path.as_os_str().as_bytes(), b"?#\\")
            }
            StoreUrl::S3(address) => address.fmt(f),
        }
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
        assert!(message("sftp://host/x").contains("sftp:// are not supported yet"));
        assert!(message("http://x").contains("no kind of target"));
        assert!(message("~/backup").contains("in full") && message("~ann/backup").contains("in full"));
        assert!(message("file:/backup").contains("file:///path") && message("file:backup").contains("file:///path"));
        assert!(message("s3:bucket").contains("s3://bucket"));
    }

    #[test]
    fn keys_written_into_a_target_are_refused_and_not_repeated() {
        assert!(StoreUrl::parse("s3://bucket/x?colour=red").unwrap_err().remedy().contains("options"));
        for text in ["s3://AKIA:hush@bucket/x", "s3://bucket/x?secret=hush", "s3://bucket?endpoint=http://u:hush@h"] {
            let error = StoreUrl::parse(text).unwrap_err().to_string();
            assert!(!error.contains("hush"), "{error}");
        }
    }
}
