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
        Ok(config) => Ok(Whose::One(MachineKeys::load(&config.machine_key)?.value.machine_id)),
        Err(CliError::Config(ConfigError::Missing { .. })) => Ok(Whose::All),
        Err(error) => Err(error),
    }
}
