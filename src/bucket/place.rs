//! Where in a storage the repository lies, as policies name it.

use std::fmt;
use std::net::IpAddr;

use crate::model::MachineId;
use crate::store::S3Address;

/// A bucket and the folder in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    pub bucket: String,
    /// Ends with a slash, or is empty.
    pub prefix: String,
    /// `aws`, or `aws-cn`, `aws-us-gov`: the part of AWS that the region belongs to.
    partition: &'static str,
    line: Line,
}

/// What requests go over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Line {
    Tls,
    /// Plain http that does not leave this machine.
    Inside,
    /// Plain http.
    Clear,
}

/// Where probe objects go, below the prefix. Tiny, and left behind where nobody may delete.
pub const PROBES: &str = "probe";

impl Place {
    /// `prefix` with or without a slash at its end.
    pub fn new(bucket: impl Into<String>, prefix: &str, region: Option<&str>) -> Self {
        let prefix = prefix.trim_matches('/');
        let partition = match region {
            Some(region) if region.starts_with("cn-") => "aws-cn",
            Some(region) if region.starts_with("us-gov-") => "aws-us-gov",
            _ => "aws",
        };
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        Self { bucket: bucket.into(), prefix, partition, line: Line::Tls }
    }

    /// `None`: AWS's own.
    pub fn through(self, endpoint: Option<&str>) -> Self {
        Self { line: Line::to(endpoint), ..self }
    }

    pub fn of(address: &S3Address) -> Self {
        Self::new(address.bucket(), address.prefix(), address.region()).through(address.endpoint())
    }

    /// Whether a policy may refuse calls without TLS: through an endpoint of plain http it would lock everybody out, an admin too.
    pub fn can_demand_tls(&self) -> bool {
        self.line == Line::Tls
    }

    /// What is sent can be read on its way.
    pub fn is_in_clear(&self) -> bool {
        self.line == Line::Clear
    }

    /// Of the bucket itself.
    pub fn bucket_arn(&self) -> String {
        format!("arn:{}:s3:::{}", self.partition, self.bucket)
    }

    /// Of objects of the repository; `name` may hold stars.
    pub fn object_arn(&self, name: &str) -> String {
        format!("{}/{}", self.bucket_arn(), self.key(name))
    }

    /// The key in the bucket of an object of the repository.
    pub fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}

impl Line {
    fn to(endpoint: Option<&str>) -> Self {
        match endpoint.and_then(|endpoint| endpoint.strip_prefix("http://")) {
            None => Line::Tls,
            Some(host) if is_this_machine(host) => Line::Inside,
            Some(_) => Line::Clear,
        }
    }
}

/// `host` or `host:port`.
fn is_this_machine(host: &str) -> bool {
    let is_port = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let name = host.rsplit_once(':').filter(|(_, port)| is_port(port)).map_or(host, |(name, _)| name);
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    name == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.prefix.trim_end_matches('/'))
    }
}

/// Whose objects a policy speaks of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Whose {
    One(MachineId),
    /// Every machine of the repository: one set of credentials for all.
    All,
}

impl Whose {
    /// The folder of objects, relative to the repository.
    pub fn folder(self) -> String {
        match self {
            Whose::One(id) => format!("machines/{id}"),
            Whose::All => "machines/*".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_arns_are_below_the_prefix() {
        let place = Place::new("b", "/a/c/", Some("eu-central-1"));
        assert_eq!(place.object_arn("probe/*"), "arn:aws:s3:::b/a/c/probe/*");
        assert_eq!(place.to_string(), "s3://b/a/c");
        let whole = Place::new("b", "", Some("cn-north-1"));
        assert_eq!(
            (whole.key("rozen.json").as_str(), whole.bucket_arn().as_str()),
            ("rozen.json", "arn:aws-cn:s3:::b")
        );
    }

    #[test]
    fn plain_http_is_known_and_what_stays_on_this_machine_is_told_apart() {
        for (endpoint, demands_tls, in_clear) in [
            (None, true, false),
            (Some("https://nas:9000"), true, false),
            (Some("http://nas:9000"), false, true),
            (Some("http://nas"), false, true),
            (Some("http://127.0.0.1:9000"), false, false),
            (Some("http://localhost"), false, false),
            (Some("http://[::1]:9000"), false, false),
            (Some("http://[::1]"), false, false),
        ] {
            let place = Place::new("b", "", None).through(endpoint);
            assert_eq!((place.can_demand_tls(), place.is_in_clear()), (demands_tls, in_clear), "{endpoint:?}");
        }
    }
}
