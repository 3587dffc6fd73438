//! `init` where something is set up already.
//!
//! What must hold: who believes afterwards that there is a backup has one, and who asked for a recovery file has one.

use std::path::Path;

use serde_json::json;

use super::context::Context;
use super::error::CliError;
use super::exit::Exit;
use super::setup;
use crate::config::{Config, Places, RootConfig};
use crate::model::with_causes;
use crate::repo::names;
use crate::store::{Limiter, Store, StoreError, StoreUrl};

/// What is wanted.
pub(super) struct Again<'a> {
    pub(super) url: &'a StoreUrl,
    pub(super) roots: &'a [RootConfig],
    pub(super) recovery_out: Option<&'a Path>,
}

/// The same wish again is done already; another one would have to overwrite what exists.
pub(super) fn check(found: &Config, wish: &Again, places: &Places, context: &Context) -> Result<(), CliError> {
    let same_roots = wish.roots.len() == found.roots.len()
        && wish.roots.iter().all(|root| found.roots.iter().any(|other| other.path == root.path));
    let same = StoreUrl::parse(&found.repository).is_ok_and(|found| found == *wish.url) && same_roots;
    if !same {
        return Err(CliError::refused(
            format!("there is another configuration at {}", places.config.display()),
            "Edit it to add or remove folders, or give another file with --config (and --state).",
        ));
    }
    if !found.machine_key.exists() {
        return Err(CliError::refused(
            format!(
                "the configuration {} is there, its key {} is not",
                places.config.display(),
                found.machine_key.display()
            ),
            "Bring the key file back, or move the configuration away and run `rozenctl init --recovery FILE`.",
        ));
    }
    is_there(found, places, context)?;
    // the one that an earlier call of this kind has written is there
    match wish.recovery_out.filter(|path| !path.exists()) {
        Some(path) => Err(setup::second_recovery_file(&found.repository, path)),
        None => Ok(()),
    }
}

/// That the repository was deleted must be known for certain; who is offline is told that it was not looked at.
fn is_there(found: &Config, places: &Places, context: &Context) -> Result<(), CliError> {
    let looked = context.store(&found.repository, &Limiter::unlimited()).and_then(|store| {
        let is_there = store.head(&names::repository())?.is_some();
        Ok((store, is_there))
    });
    match looked {
        Ok((_, true)) => Ok(()),
        Ok((store, false)) => Err(gone(&store, found, places, context)),
        Err(error @ CliError::Store(StoreError::TargetGone { .. })) => Err(error),
        Err(error) => match error.exit() {
            Exit::NoRepository => Err(error),
            _ => {
                context.output.warn(format!("whether the repository is there is not known: {}", with_causes(&error)));
                Ok(())
            }
        },
    }
}

/// What is left of it comes first: nothing new is made on top of that.
fn gone(store: &Store, found: &Config, places: &Places, context: &Context) -> CliError {
    if let Err(error) = setup::refuse_remains(store, &context.output) {
        return error;
    }
    CliError::NoRepository {
        what: format!(
            "this is set up in {} for {}, and there is no repository any more",
            places.config.display(),
            store.place()
        ),
        remedy: format!(
            "If it lies elsewhere now, mend `repository` there. To begin a new one, move these away, and run this again: {}, {} and {}",
            places.config.display(),
            found.machine_key.display(),
            places.state.display()
        ),
    }
}

pub(super) fn tell(found: &Config, places: &Places, context: &Context) -> Result<Exit, CliError> {
    context.output.line(format!("this is set up already in {}: nothing was changed", places.config.display()))?;
    context.output.json(|| json!({ "created": false, "config": places.config, "repository": found.repository }))?;
    Ok(Exit::Done)
}
