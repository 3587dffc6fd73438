//! `s3://bucket/prefix?key=value&…`: a bucket as a person writes it, and back. Never holds a secret.

use std::borrow::Cow;
use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use super::checksum::Checksum;
use crate::store::escape::{BAD_ESCAPE, escape, unescape};

/// Where a bucket is and how to speak to it. What is `None` was not written and has a default.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct S3Address {
    pub(super) bucket: String,
    /// In front of every key, with a slash at its end; empty for the whole bucket.
    pub(super) prefix: String,
    /// Of a server that is not AWS's.
    pub(super) endpoint: Option<String>,
    pub(super) region: Option<String>,
    pub(super) profile: Option<String>,
    path_style: Option<bool>,
    /// Certificates (PEM) to trust beside the system's.
    pub(super) ca: Option<PathBuf>,
    /// Keys of the service, instead of the usual chain.
    pub(super) credentials: Option<PathBuf>,
    checksum: Option<Checksum>,
    conditional: Option<bool>,
}

/// All keys, in the order in which they are printed.
const KEYS: [&str; 8] = ["endpoint", "region", "profile", "path_style", "ca", "credentials", "checksum", "conditional"];

/// Why a text is no address, for people. It never repeats a value: somebody may have written a key there.
type Reason = Cow<'static, str>;

impl S3Address {
    /// Takes what stands behind `s3://`.
    pub(in crate::store) fn parse(rest: &str) -> Result<Self, Reason> {
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        if place.contains('@') {
            return Err("keys do not belong there: give them by the environment, a profile or credentials=FILE".into());
        }
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        let mut address = Self { bucket: checked_bucket(bucket)?, prefix: checked_prefix(prefix)?, ..Self::default() };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            address.take(pair)?;
        }
        Ok(address)
    }

    fn take(&mut self, pair: &str) -> Result<(), Reason> {
        let (key, value) = pair.split_once('=').ok_or("an option is not written as key=value")?;
        let value = unescape(value).ok_or(BAD_ESCAPE)?;
        if value.is_empty() {
            return Err(format!("{key} has no value").into());
        }
        match key {
            "endpoint" => set(&mut self.endpoint, key, checked_endpoint(text(key, value)?)?),
            "region" => set(&mut self.region, key, text(key, value)?),
            "profile" => set(&mut self.profile, key, text(key, value)?),
            "path_style" => set(&mut self.path_style, key, yes_or_no(key, &value)?),
            "ca" => set(&mut self.ca, key, path(value)?),
            "credentials" => set(&mut self.credentials, key, path(value)?),
            "checksum" => set(&mut self.checksum, key, checksum(&value)?),
            "conditional" => set(&mut self.conditional, key, yes_or_no(key, &value)?),
            _ => Err(unknown(key)),
        }
    }

    /// Addressed as `endpoint/bucket/key`, not `bucket.endpoint/key`: what servers other than AWS's expect.
    pub(super) fn path_style(&self) -> bool {
        self.path_style.unwrap_or(self.endpoint.is_some())
    }

    /// Servers other than AWS's often know no checksum but Content-MD5, and some misjudge those they know.
    pub(super) fn checksum(&self) -> Checksum {
        self.checksum.unwrap_or(if self.endpoint.is_some() { Checksum::Md5 } else { Checksum::Crc64Nvme })
    }

    /// Whether the server is believed to honour `If-None-Match`.
    /// Are writes to carry `If-None-Match`?
    pub fn conditional(&self) -> bool {
        self.conditional.unwrap_or(true)
    }

    /// The bucket's name.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// The text in front of every key: empty, or with a slash at its end.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The server, when it was written; else it is AWS's.
    pub fn endpoint(&self) -> Option<&str> {
        self.endpoint.as_deref()
    }

    /// The region, when it was written.
    pub fn region(&self) -> Option<&str> {
        self.region.as_deref()
    }

    /// The option `key` as it is printed, when it was written.
    fn option(&self, key: &str) -> Option<Cow<'_, [u8]>> {
        let text = |value: &Option<String>| value.clone().map(|text| Cow::Owned(text.into_bytes()));
        let path = |value: &Option<PathBuf>| value.clone().map(|path| Cow::Owned(path.into_os_string().into_vec()));
        let flag = |value: Option<bool>| value.map(|yes| Cow::Borrowed(if yes { &b"yes"[..] } else { b"no" }));
        match key {
            "endpoint" => text(&self.endpoint),
            "region" => text(&self.region),
            "profile" => text(&self.profile),
            "path_style" => flag(self.path_style),
            "ca" => path(&self.ca),
            "credentials" => path(&self.credentials),
            "checksum" => self.checksum.map(|checksum| Cow::Borrowed(checksum.as_str().as_bytes())),
            "conditional" => flag(self.conditional),
            _ => None,
        }
    }
}

fn set<T>(slot: &mut Option<T>, key: &str, value: T) -> Result<(), Reason> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(format!("{key} is given twice").into()),
    }
}

fn unknown(key: &str) -> Reason {
    let similar = |known: &&&str| strsim::jaro_winkler(known, key);
    let nearest = KEYS.iter().max_by(|a, b| similar(a).total_cmp(&similar(b)));
    match nearest.filter(|known| similar(known) > 0.7) {
        Some(known) => format!("it has no option {key:?}; {known:?} is the nearest").into(),
        None => format!("it has no option {key:?}; there are {}", KEYS.join(", ")).into(),
    }
}

fn text(key: &str, value: Vec<u8>) -> Result<String, Reason> {
    String::from_utf8(value).map_err(|_| format!("{key} is not UTF-8").into())
}

fn path(value: Vec<u8>) -> Result<PathBuf, Reason> {
    let path = PathBuf::from(OsString::from_vec(value));
    std::path::absolute(&path).map_err(|_| "the current directory is not there".into())
}

fn yes_or_no(key: &str, value: &[u8]) -> Result<bool, Reason> {
    match value {
        b"yes" | b"true" => Ok(true),
        b"no" | b"false" => Ok(false),
        _ => Err(format!("{key} must be yes or no").into()),
    }
}

fn checksum(value: &[u8]) -> Result<Checksum, Reason> {
    let known = Checksum::ALL.into_iter().find(|checksum| checksum.as_str().as_bytes() == value);
    known.ok_or("checksum must be crc64nvme or md5".into())
}

fn checked_bucket(bucket: &str) -> Result<String, Reason> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    match bucket {
        "" => Err("the bucket is missing: write s3://bucket/prefix".into()),
        _ if bucket.contains(':') => {
            Err("a host does not belong there: write s3://bucket?endpoint=http://host:port".into())
        }
        _ if !(3..=255).contains(&bucket.len()) || !bucket.bytes().all(allowed) => {
            Err("a bucket's name has 3 or more of letters, digits and . _ -".into())
        }
        _ => Ok(bucket.to_owned()),
    }
}

/// The names of objects leave this much of the 1,024 bytes of a key.
const MAX_PREFIX_BYTES: usize = 512;

fn checked_prefix(prefix: &str) -> Result<String, Reason> {
    let prefix = prefix.trim_end_matches('/');
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._-=+".contains(&b);
    let good = |part: &str| !matches!(part, "" | "." | "..") && part.bytes().all(allowed);
    match prefix {
        "" => Ok(String::new()),
        _ if prefix.len() > MAX_PREFIX_BYTES => Err("the prefix is longer than 512 bytes".into()),
        _ if prefix.split('/').all(good) => Ok(format!("{prefix}/")),
        _ => Err("a prefix has names of letters, digits and . _ - = + between single slashes".into()),
    }
}

fn checked_endpoint(endpoint: String) -> Result<String, Reason> {
    let endpoint = endpoint.trim_end_matches('/');
    let host = endpoint.strip_prefix("https://").or_else(|| endpoint.strip_prefix("http://"));
    match host {
        None => Err("the endpoint must begin with https:// or http://".into()),
        Some(host) if host.is_empty() || host.contains(['@', '?', '#', '/']) => {
            Err("the endpoint must be https://host or https://host:port".into())
        }
        Some(host) if !has_good_port(host) => Err("the endpoint's port must be a number from 1 to 65535".into()),
        Some(_) => Ok(endpoint.to_owned()),
    }
}

/// Without one it is good. The colons of `[::1]` begin none.
fn has_good_port(host: &str) -> bool {
    let port = host.rsplit_once(':').map(|(_, port)| port).filter(|port| !port.ends_with(']'));
    port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port != 0))
}

impl fmt::Display for S3Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}", self.bucket)?;
        if !self.prefix.is_empty() {
            write!(f, "/{}", self.prefix.trim_end_matches('/'))?;
        }
        let mut separator = '?';
        for key in KEYS {
            let Some(value) = self.option(key) else { continue };
            write!(f, "{separator}{key}=")?;
            escape(f, &value, b"?#&+\\\"")?;
            separator = '&';
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> S3Address {
        S3Address::parse(text).unwrap_or_else(|reason| panic!("{text}: {reason}"))
    }

    #[test]
    fn what_is_printed_is_canonical_and_parses_to_the_same() {
        let written = "bucket/a/b//?region=eu-west-1&ca=/etc/my%20ca.pem&endpoint=http://127.0.0.1:9000/";
        let address = parsed(written);
        let printed = "s3://bucket/a/b?endpoint=http://127.0.0.1:9000&region=eu-west-1&ca=/etc/my%20ca.pem";
        assert_eq!(address.to_string(), printed);
        assert_eq!(parsed(printed.strip_prefix("s3://").unwrap()), address);
        let all = "bucket?endpoint=https://h&region=r&profile=p%26q&path_style=no&ca=/c&credentials=/k&checksum=md5&conditional=no";
        assert_eq!(parsed(all).to_string(), format!("s3://{all}"));
    }

    #[test]
    fn defaults_follow_the_endpoint() {
        let aws = parsed("bucket/x");
        assert!(!aws.path_style() && aws.conditional() && aws.checksum() == Checksum::Crc64Nvme);
        let other = parsed("bucket/x?endpoint=https://h");
        assert!(other.path_style() && other.checksum() == Checksum::Md5);
        let told = parsed("bucket/x?endpoint=https://h&path_style=no&checksum=crc64nvme&conditional=no");
        assert!(!told.path_style() && !told.conditional() && told.checksum() == Checksum::Crc64Nvme);
        assert_eq!((aws.prefix.as_str(), parsed("bucket").prefix.as_str()), ("x/", ""));
    }

    #[test]
    fn what_is_no_address_says_why() {
        let reason = |text| S3Address::parse(text).unwrap_err().into_owned();
        assert!(reason("").contains("bucket is missing"));
        assert!(reason("host:9000/bucket").contains("endpoint="));
        assert!(reason("ab").contains("3 or more"));
        assert!(reason("bucket/a//b").contains("single slashes"));
        assert!(reason("bucket/../b").contains("single slashes"));
        assert!(reason("bucket?endpont=http://x").contains("\"endpoint\" is the nearest"));
        assert!(reason("bucket?zzz=1").contains("there are endpoint, region"));
        assert!(reason("bucket?region=a&region=b").contains("twice"));
        assert!(reason("bucket?region").contains("key=value"));
        assert!(reason("bucket?region=").contains("no value"));
        assert!(reason("bucket?endpoint=127.0.0.1:9000").contains("https://"));
        assert!(reason("bucket?endpoint=http://h/path").contains("host:port"));
        for bad in ["http://h:99999", "http://h:", "https://h:0", "https://h:x", "http://[::1]:70000"] {
            let refused = S3Address::parse(&format!("bucket?endpoint={bad}")).unwrap_err();
            assert!(refused.contains("1 to 65535"), "{bad}: {refused}");
        }
        assert!(reason("bucket?path_style=maybe").contains("yes or no"));
        assert!(reason("bucket?checksum=sha1").contains("crc64nvme"));
        assert!(reason("key:secret@bucket").contains("credentials=FILE"));
    }

    #[test]
    fn an_endpoint_may_be_an_address_with_a_port_and_without() {
        for good in ["http://[::1]:9000", "http://[::1]", "https://10.0.0.1:65535", "https://h"] {
            assert_eq!(parsed(&format!("bucket?endpoint={good}")).endpoint(), Some(good));
        }
    }

    #[test]
    fn a_relative_file_is_taken_from_the_current_directory() {
        let here = std::env::current_dir().unwrap();
        assert_eq!(parsed("bucket?ca=my.pem").ca.unwrap(), here.join("my.pem"));
    }
}
