//! What the agent remembers between its lives: the roots as the journal knows them, and what the status showed.

use serde::{Deserialize, Serialize};

use crate::config::exclude::Rules;
use crate::config::{Config, RootConfig};
use crate::crypto::{self, MachineKeys};
use crate::engine::{HintSeq, KnownRoot};
use crate::journal::{Journal, JournalError, RootState};
use crate::model::{RootId, Timestamp};
use crate::status::{PathText, RootStatus, SnapshotStatus};

/// Of one root; a fact of the journal.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Shown {
    last_snapshot: Option<SnapshotStatus>,
    entries: u64,
    bytes: u64,
    missed_by_last_audit: Option<u64>,
}

/// Makes the roots of the configuration known to the journal, marks those to compare whose excludes have changed, and
/// brings back what was known. Everything before the start may have been missed.
pub(super) fn known_roots(
    journal: &Journal,
    config: &Config,
    rules: &[Rules],
    now_ms: i64,
) -> Result<Vec<KnownRoot>, JournalError> {
    let mut known = Vec::new();
    for (root, rules) in config.roots.iter().zip(rules) {
        journal.upsert_root(root.id.as_str(), &root.path, now_ms)?;
        note_rules(journal, root, rules, now_ms)?;
        known.push(known_root(journal, root)?);
    }
    Ok(known)
}

/// A root that the configuration does not name any more and of which nothing was ever stored (a misspelt path) is forgotten: snapshots would
/// list it for ever. To be asked when the target is open, as only then the journal is sure to know what was stored.
pub fn forget_unstored(journal: &Journal, keys: &MachineKeys, config: &Config) -> Result<(), JournalError> {
    for state in journal.roots()? {
        let is_named = config.roots.iter().any(|root| root.id.as_str() == state.id);
        if !is_named && !was_stored(journal, keys, &state)? {
            journal.forget_root(&state.id)?;
        }
    }
    Ok(())
}

/// In doubt it was.
fn was_stored(journal: &Journal, keys: &MachineKeys, state: &RootState) -> Result<bool, JournalError> {
    let was_read = state.tree.is_some() || state.last_audit_ms.is_some() || state.recovery_point_ms.is_some();
    let listed = journal.listed_root(&keys.id.root_tag(&state.id))?;
    Ok(was_read || listed.is_some_and(|listed| listed.tree.is_some()))
}

/// What was left out before has left no hints.
fn note_rules(journal: &Journal, root: &RootConfig, rules: &Rules, now_ms: i64) -> Result<(), JournalError> {
    let name = format!("rules/{}", root.id);
    let hash = crypto::hash(rules.fingerprint().as_bytes());
    match journal.fact(&name)? {
        Some(before) if before == hash.as_bytes() => return Ok(()),
        Some(_) => journal.mark_audit(root.id.as_str(), "the excludes have changed", now_ms)?,
        None => {}
    }
    journal.set_fact(&name, hash.as_bytes())
}

fn known_root(journal: &Journal, root: &RootConfig) -> Result<KnownRoot, JournalError> {
    let id = root.id.as_str();
    let state = journal.root_state(id)?;
    let pending = journal.pending(id)?;
    let shown: Shown = match journal.fact(&name(&root.id))? {
        // a fact of another version shows nothing, and costs nothing else
        Some(bytes) => serde_json::from_slice(&bytes).unwrap_or_default(),
        None => Shown::default(),
    };
    Ok(KnownRoot {
        id: root.id.clone(),
        path: PathText::from(root.path.as_os_str().as_encoded_bytes()),
        pending: (pending.count > 0).then_some((pending.count, HintSeq(0))),
        recovery_point: state.recovery_point_ms.map(timestamp),
        last_audit: state.last_audit_ms.map(timestamp),
        last_snapshot: shown.last_snapshot,
        entries: shown.entries,
        bytes: shown.bytes,
        missed_by_last_audit: shown.missed_by_last_audit,
        needs_audit: true,
    })
}

/// After a run: what a crash must not make the agent forget. Losing it says less than is true, never more.
pub(super) fn keep(journal: &Journal, roots: &[RootStatus]) -> Result<(), JournalError> {
    for root in roots {
        let point = root.recovery_point.map(|point| point.secs * 1000 + i64::from(point.nanos / 1_000_000));
        journal.set_recovery_point(root.id.as_str(), point)?;
        let shown = Shown {
            last_snapshot: root.last_snapshot.clone(),
            entries: root.entries,
            bytes: root.bytes,
            missed_by_last_audit: root.missed_by_last_audit,
        };
        let bytes = serde_json::to_vec(&shown).expect("numbers and texts always become JSON");
        journal.set_fact(&name(&root.id), &bytes)?;
    }
    Ok(())
}

fn name(id: &RootId) -> String {
    format!("shown/{id}")
}

fn timestamp(ms: i64) -> Timestamp {
    let nanos = u32::try_from(ms.rem_euclid(1000)).expect("below a thousand") * 1_000_000;
    Timestamp::new(ms.div_euclid(1000), nanos)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::model::{ChunkId, ListedRoot, ObjectHash, Seq};
    use crate::repo::testing::TestRepo;

    #[test]
    fn what_is_not_in_the_configuration_any_more_is_forgotten_only_when_nothing_of_it_was_ever_stored() {
        let (dir, keys) = (tempfile::tempdir().unwrap(), TestRepo::new().keys);
        let journal = Journal::open(dir.path()).unwrap();
        for root in ["home", "typo", "old", "older"] {
            journal.upsert_root(root, Path::new("/nowhere"), 1).unwrap();
        }
        let listed = |root, tree| ListedRoot {
            tag: keys.id.root_tag(root),
            tree,
            entries: 0,
            bytes: 0,
            complete: false,
            recovery_point: None,
        };
        let listing = [listed("typo", None), listed("old", Some(ChunkId([1; 32])))];
        journal.adopt_head(Seq(1), ObjectHash([0; 32]), &listing, 1).unwrap();
        journal.set_recovery_point("older", Some(5)).unwrap();
        let text = "repository = \"/r\"\n[[root]]\nid = \"home\"\npath = \"/home\"\n";
        let config = Config::parse(text, Path::new("rozen.toml")).unwrap();
        forget_unstored(&journal, &keys, &config).unwrap();
        let mut left: Vec<_> = journal.roots().unwrap().into_iter().map(|root| root.id).collect();
        left.sort();
        assert_eq!(left, ["home", "old", "older"]);
    }
}
