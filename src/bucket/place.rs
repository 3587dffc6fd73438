//! Where in a storage the repository lies, as policies name it.

use std::fmt;

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
        Self { bucket: bucket.into(), prefix, partition }
    }

    pub fn of(address: &S3Address) -> Self {
        Self::new(address.bucket(), address.prefix(), address.region())
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
}
