//! Packs that no index object lists. A backup that is under way, or was cut off, leaves some: that is no damage, as long as they say
//! themselves what is in them.

use super::CheckError;
use super::objects::Objects;
use super::report::{CheckReport, Finding, FindingCode};
use crate::model::with_causes;
use crate::repo::{Contents, FoundBy, RepoError, names};

/// Looks into them, where there are any.
pub(super) fn check_unlisted(
    contents: &Contents,
    objects: &Objects,
    report: &mut CheckReport,
) -> Result<(), CheckError> {
    // what cannot even be looked at is told already
    let is_asked = |key| objects.unlisted.contains(key) && !objects.unreadable.contains_key(key);
    if !objects.unlisted.iter().any(is_asked) {
        return Ok(());
    }
    for pack in contents.unlisted()?.iter().filter(|unlisted| is_asked(&unlisted.pack)) {
        let message = match &pack.found {
            FoundBy::Directory => {
                report.packs_unlisted += 1;
                continue;
            }
            FoundBy::Nothing(error) if error.is_archived() => {
                report.packs_unlisted_archived += 1;
                continue;
            }
            FoundBy::Heads { frames, damage } => format!(
                "no index object lists it, and its own directory cannot be used: {}; frames found one by one: {frames}",
                why(damage)
            ),
            FoundBy::Nothing(error) => {
                format!("no index object lists it, and nothing in it can be found: {}", why(error))
            }
        };
        let object = names::pack(&pack.pack.machine, pack.pack.is_tree, &pack.pack.hash).to_string();
        report.findings.push(Finding { code: FindingCode::PackDirectory, object, message });
    }
    Ok(())
}

/// Which object it is stands before it already.
fn why(error: &RepoError) -> String {
    match error {
        RepoError::Object { source, .. } => with_causes(source),
        error => with_causes(error),
    }
}
