//! Which target a command is about, and whose folder in it.

use clap::Args;

use crate::bucket::{Place, Whose};
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::config::ConfigError;
use crate::crypto::MachineKeys;
use crate::model::MachineId;
use crate::store::StoreUrl;

/// Which target.
#[derive(Args, Clone, Debug)]
pub(super) struct WhichArgs {
    /// The target: s3://bucket/prefix or a directory [default: that of the configuration]
    #[arg(long, value_name = "URL")]
    repo: Option<String>,
}

impl WhichArgs {
    pub(super) fn url(&self, context: &Context) -> Result<StoreUrl, CliError> {
        match &self.repo {
            Some(url) => Ok(StoreUrl::parse(url)?),
            None => Ok(StoreUrl::parse(&context.config()?.repository)?),
        }
    }

    /// The bucket and folder; a usage error when the target is none.
    pub(super) fn place(&self, context: &Context) -> Result<Place, CliError> {
        match self.url(context)? {
            StoreUrl::S3(address) => Ok(Place::of(&address)),
            url @ StoreUrl::Dir(_) => {
                Err(CliError::usage(format!("{url} is no bucket"), "Give one with --repo s3://bucket/prefix."))
            }
        }
    }
}

/// Said wherever a policy for the bucket is made.
pub(super) fn warn_of_no_tls(place: &Place, context: &Context) {
    if !place.can_demand_tls() {
        context.output.warn(
            "the endpoint is plain http, so the policy does not demand TLS: it would lock everybody out through this endpoint, \
             an admin too. The line is not encrypted; what backups send is, before it leaves the machine, but not the names of objects",
        );
    }
}

/// The machine that was named, or this one; all where there is none.
pub(super) fn whose(named: Option<MachineId>, context: &Context) -> Result<Whose, CliError> {
    if let Some(id) = named {
        return Ok(Whose::One(id));
    }
    match context.config() {
        Ok(config) => {
            Ok(Whose::One(MachineKeys::load(&config.machine_key).map_err(CliError::MachineKey)?.value.machine_id))
        }
        Err(CliError::Config(ConfigError::Missing { .. })) => Ok(Whose::All),
        Err(error) => Err(error),
    }
}

/// Whom the bucket's policy is to forbid by name. A whole account, or everybody, would be its owner too.
pub(super) fn uploaders(named: &[String]) -> Result<Vec<String>, CliError> {
    match named.iter().find(|name| !is_arn_of_one(name)) {
        None => Ok(named.to_vec()),
        Some(name) => Err(CliError::usage(
            format!("--uploader {name:?} names no user or role"),
            "Give the ARN of one, such as arn:aws:iam::123456789012:user/laptop.",
        )),
    }
}

/// `arn:partition:service:region:account:user/name`
fn is_arn_of_one(name: &str) -> bool {
    let parts: Vec<&str> = name.splitn(6, ':').collect();
    let plain = |b: u8| b.is_ascii_graphic() && !b"*?\"".contains(&b);
    let [arn, partition, service, _, _, who] = parts[..] else { return false };
    arn == "arn" && ![partition, service, who].contains(&"") && who != "root" && name.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_user_or_role_is_taken_for_an_uploader() {
        let takes = |name: &str| uploaders(&[name.to_owned()]).is_ok();
        for name in [
            "arn:aws:iam::123456789012:user/laptop",
            "arn:aws:iam:::user/laptop",
            "arn:aws-cn:iam::123456789012:role/path/rozen",
            "arn:aws:sts::123456789012:assumed-role/rozen/session",
        ] {
            assert!(takes(name), "{name}");
        }
        for name in [
            "laptop",
            "",
            "*",
            "123456789012",
            "arn:aws:iam::123456789012:root",
            "arn:aws:iam::1:user/*",
            "arn:aws:iam",
        ] {
            assert!(!takes(name), "{name}");
        }
    }
}
