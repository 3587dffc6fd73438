//! Trying what a target does, keeping it, and telling it to who sets a backup up.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use super::context::Context;
use super::error::CliError;
use super::show;
use crate::bucket::{self, Abilities, Answer, CheckOptions, Kept, Report};
use crate::config::{Config, Places};
use crate::status::printable;
use crate::store::{S3Address, S3Client, StoreUrl};

/// Reads the settings of a bucket and tries what a thief would try.
pub(super) fn check(address: &S3Address, classes: bool, context: &Context) -> Result<Report, CliError> {
    let client = S3Client::open(address)?;
    // no other check has it, and whoever finds the objects one day sees when they came
    let name = format!("{}-{}", context.clock.wall_ms(), std::process::id());
    Ok(bucket::check(&client, &CheckOptions { name, classes })?)
}

/// Keeps what was found out in the state directory.
pub(super) fn remember(report: &Report, state: &Path, context: &Context) -> Result<Kept, CliError> {
    let checked = show::json_time(Some(context.clock.wall())).as_str().unwrap_or_default().to_owned();
    let kept = Kept::of(report, checked);
    let made = DirBuilder::new().recursive(true).mode(0o700).create(state);
    made.map_err(|source| CliError::File { doing: "make the directory", path: state.into(), source })?;
    let failed = |error: bucket::KeepError| CliError::File {
        doing: "write what was found out about the target to",
        path: error.path,
        source: error.source,
    };
    kept.store(state).map_err(failed)?;
    Ok(kept)
}

/// Once, when a backup into a bucket is set up. That it cannot be found out is no reason to stop.
pub(super) fn try_new_target(config: &Config, places: &Places, context: &Context) -> Result<(), CliError> {
    let StoreUrl::S3(address) = StoreUrl::parse(&config.repository)? else { return Ok(()) };
    match check(&address, false, context) {
        Ok(report) => {
            let kept = remember(&report, &places.state, context)?;
            tell(&kept, context)
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
    let mut lines = format!("Target: {} (tried {})", does(&kept.abilities), kept.checked);
    if let Some(danger) = &kept.danger {
        lines += &format!("\nTarget: DANGER, {} (`rozenctl target check` says what to do)", printable(danger));
    }
    Some(lines)
}

/// Append-only is a word for what was seen, nothing else.
fn does(abilities: &Abilities) -> &'static str {
    if abilities.refuses_to_replace() {
        return "refuses to replace objects";
    }
    match (abilities.heeds_if_absent(), abilities.replaces_unasked) {
        (Answer::No, _) => "replaces objects although it is asked not to: it is not append-only",
        (Answer::Yes, Answer::Yes) => {
            "heeds \"only if absent\", and replaces objects where that is not asked for: it is not append-only"
        }
        (Answer::Unknown, Answer::Yes) => "replaces objects: it is not append-only",
        (Answer::Yes, _) => {
            "heeds \"only if absent\"; whether it replaces objects where that is not asked for could not be found out"
        }
        (Answer::Unknown, _) => "may replace objects or not: that could not be found out",
    }
}

fn tell(kept: &Kept, context: &Context) -> Result<(), CliError> {
    let (output, abilities) = (&context.output, &kept.abilities);
    match abilities.heeds_if_absent() {
        Answer::No if abilities.conditional_put != Answer::No => output.warn(
            "the target ignores \"only if absent\" when an upload by parts is completed: it is not append-only. Backups look for an object \
             before they complete its upload; switch versioning on where there is any.",
        ),
        Answer::No => output.warn(
            "the target ignores \"only if absent\" and replaces objects: it is not append-only. Write conditional=no into its URL, \
             so that objects are at least looked for before they are stored, and switch versioning on where there is any.",
        ),
        Answer::Yes | Answer::Unknown => output.line(format!("target         {} (tried)", does(abilities)))?,
    }
    if let Some(danger) = &kept.danger {
        output.warn(format!("DANGER: {}", printable(danger)));
    }
    output.line("               what a thief with this machine's credentials could do, and what to do about it: rozenctl target check")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_seen_of_this_target_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let target = "s3://bucket/folder?region=eu-west-1";
        let keep = |conditional_complete, replaces_unasked, danger: Option<&str>| {
            let conditional_put = Answer::Yes;
            let abilities =
                Abilities { conditional_put, conditional_complete, replaces_unasked, ..Abilities::default() };
            let (checked, danger) = ("2026-11-21T08:00:00Z".to_owned(), danger.map(str::to_owned));
            Kept { target: target.to_owned(), checked, abilities, danger }.store(dir.path()).unwrap();
            found_before("s3://bucket/folder/?region=eu-west-1", dir.path()).unwrap()
        };
        assert_eq!(found_before(target, dir.path()), None);
        let refuses = "Target: refuses to replace objects (tried 2026-11-21T08:00:00Z)";
        assert_eq!(keep(Answer::Yes, Answer::No, None), refuses);
        let replaces = keep(Answer::Yes, Answer::Yes, None);
        assert!(replaces.contains("heeds \"only if absent\", and replaces") && replaces.contains("not append-only"));
        let half = keep(Answer::Yes, Answer::Unknown, None);
        assert!(half.contains("heeds \"only if absent\";") && half.contains("could not be found out"), "{half}");
        assert!(keep(Answer::No, Answer::No, None).contains("not append-only"));
        assert!(keep(Answer::Unknown, Answer::No, None).contains("could not be found out"));
        let danger = keep(Answer::Yes, Answer::No, Some("these credentials can delete objects"));
        assert!(danger.starts_with(refuses), "{danger}");
        assert!(danger.contains("\nTarget: DANGER, these credentials can delete objects (`rozenctl target check`"));
        assert_eq!(found_before("s3://other", dir.path()), None);
    }
}
