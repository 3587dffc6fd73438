//! The target: is it there, and is it ours?

use super::Finding;
use crate::cli::context::Context;
use crate::config::Config;
use crate::crypto::MachineKeys;
use crate::repo;
use crate::store::Limiter;

pub(in crate::cli) fn target(config: &Config, keys: &MachineKeys, context: &Context) -> Finding {
    const CHECK: &str = "target";
    let store = match context.store(&config.repository, &Limiter::unlimited()) {
        Ok(store) => store,
        Err(error) => return Finding::of_error(CHECK, &error, error.remedy()),
    };
    match repo::open_for_backup(&store, keys) {
        Ok(_) => Finding::ok(CHECK, format!("{} holds the repository of this machine", config.repository)),
        Err(error) => Finding::of_error(CHECK, &error, error.remedy()),
    }
}
