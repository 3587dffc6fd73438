//! Trying what a target does, keeping it, and telling it to who sets a backup up.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use super::context::Context;
use super::error::CliError;
use super::show;
use crate::bucket::{self, Abilities, Answer, CheckOptions, Kept, Report};
use crate::config::{Config, Places};
use crate::store::{S3Address, S3Client, StoreUrl};

/// Reads the settings of a bucket and tries what a thief would try.
pub(super) fn check(address: &S3Address, classes: bool, context: &Context) -> Result<Report, CliError> {
    let client = S3Client::open(address)?;
    // no other check has it, and whoever finds the objects one day sees when they came
    let name = format!("{}-{}", context.clock.wall_ms(), std::process::id());
    Ok(bucket::check(&client, &CheckOptions { name, classes })?)
}

/// Keeps what was found out in the state directory.
pub(super) fn remember(report: &Report, state: &Path, context: &Context) -> Result<(), CliError> {
    let checked = show::json_time(Some(context.clock.wall())).as_str().unwrap_or_default().to_owned();
    let kept = Kept { target: report.target.clone(), checked, abilities: report.tried.abilities.clone() };
    let made = DirBuilder::new().recursive(true).mode(0o700).create(state);
    made.map_err(|source| CliError::File { doing: "make the directory", path: state.into(), source })?;
    let failed = |error: bucket::KeepError| CliError::File {
        doing: "write what was found out about the target to",
        path: error.path,
        source: error.source,
    };
    kept.store(state).map_err(failed)
}

/// Once, when a backup into a bucket is set up. That it cannot be found out is no reason to stop.
pub(super) fn try_new_target(config: &Config, places: &Places, context: &Context) -> Result<(), CliError> {
    let StoreUrl::S3(address) = StoreUrl::parse(&config.repository)? else { return Ok(()) };
    match check(&address, false, context) {
        Ok(report) => {
            remember(&report, &places.state, context)?;
            tell(&report.tried.abilities, context)
        }
        Err(error) => {
            context.output.warn(format!("it could not be tried whether the target keeps what it has: {error}"));
            Ok(())
        }
    }
}

/// What the last check of this target found, for people; `None` when it was never checked here.
pub(super) fn found_before(repository: &str, state: &Path) -> Option<String> {
    let url = StoreUrl::parse(repository).ok()?;
    let kept = Kept::load(state, &url.to_string())?;
    let does = match kept.abilities.never_replaces() {
        Answer::Yes => "refuses to replace objects",
        Answer::No => "replaces objects although it is asked not to: it is not append-only",
        Answer::Unknown => "may replace objects or not: that could not be found out",
    };
    Some(format!("Target: {does} (tried {})", kept.checked))
}

/// Append-only is a word for what was seen, nothing else.
fn tell(abilities: &Abilities, context: &Context) -> Result<(), CliError> {
    let output = &context.output;
    match abilities.never_replaces() {
        Answer::Yes => output.line("target         refuses to replace objects (tried)")?,
        Answer::No if abilities.conditional_put != Answer::No => output.warn(
            "the target ignores \"only if absent\" when an upload by parts is completed: it is not append-only. Backups look for an object \
             before they complete its upload; switch versioning on where there is any.",
        ),
        Answer::No => output.warn(
            "the target ignores \"only if absent\" and replaces objects: it is not append-only. Write conditional=no into its URL, \
             so that objects are at least looked for before they are stored, and switch versioning on where there is any.",
        ),
        Answer::Unknown => output.line("target         whether it refuses to replace objects could not be found out")?,
    }
    output.line("               what a thief with this machine's credentials could do: rozenctl target check")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_seen_of_this_target_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let target = "s3://bucket/folder?region=eu-west-1";
        let keep = |conditional_complete| {
            let abilities = Abilities { conditional_put: Answer::Yes, conditional_complete, ..Abilities::default() };
            let checked = "2026-11-21T08:00:00Z".to_owned();
            Kept { target: target.to_owned(), checked, abilities }.store(dir.path()).unwrap();
            found_before("s3://bucket/folder/?region=eu-west-1", dir.path()).unwrap()
        };
        assert_eq!(found_before(target, dir.path()), None);
        assert_eq!(keep(Answer::Yes), "Target: refuses to replace objects (tried 2026-11-21T08:00:00Z)");
        assert!(keep(Answer::No).contains("not append-only"));
        assert!(keep(Answer::Unknown).contains("could not be found out"));
        assert_eq!(found_before("s3://other", dir.path()), None);
    }
}
