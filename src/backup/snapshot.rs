//! Committing: index objects, then the manifest, the journal told before and after.

use super::agent::Backup;
use super::error::RunError;
use super::nodes::BuiltTree;
use super::progress::Progress;
use crate::format::{ManifestBody, ManifestProblem, ManifestRoot, ManifestStats};
use crate::journal::{RunId, RunState};
use crate::model::{ObjectHash, Problem, Seq, Timestamp};
use crate::repo::{self, CommittedSnapshot, SealedManifest};
use crate::upload::Origin;
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::Ordering;

/// A manifest lists so many problems; the number of all is told beside.
const PROBLEMS: usize = 100;
/// A fact of the journal.
const PARTIAL: &str = "snapshot/partial";

/// A root as the snapshot will have it.
pub(super) struct RootResult {
    pub id: String,
    /// `None`: it has the tree that it had.
    pub built: Option<BuiltTree>,
    pub complete: bool,
    /// Compared in full.
    pub full: bool,
    pub recovery_point: Option<Timestamp>,
    pub frozen_by: &'static str,
}

/// What a manifest says beside its roots.
pub(super) struct Totals<'a> {
    pub partial: bool,
    pub started: Timestamp,
    pub problems: &'a [Problem],
}

/// On return the snapshot exists and is durable; the journal's trees are not moved yet.
pub(super) fn commit(
    backup: &Backup,
    run: RunId,
    results: &[RootResult],
    totals: &Totals<'_>,
    progress: &Progress,
) -> Result<CommittedSnapshot, RunError> {
    backup.require_target()?;
    // a pack that is only in the spool is known to the presence, so it must be durable before anything refers to it
    for row in backup.journal.packs_spooled()? {
        backup.upload(&row, Origin::EarlierProcess)?;
    }
    backup.journal.packs_stored_at(backup.clock.wall_ms())?;
    let index = repo::write_index(&backup.uploader, &backup.keys, &backup.journal)?;
    let trees: u64 = results.iter().filter_map(|result| result.built.as_ref()).map(|built| built.stored_bytes).sum();
    Progress::add(&progress.bytes_stored, index.stored_bytes + trees);
    let head = backup.journal.head()?;
    let (seq, previous) = head.map_or((Seq(1), ObjectHash([0; 32])), |(seq, hash)| (seq.next(), hash));
    let body = manifest(backup, results, totals, progress)?;
    let sealed = SealedManifest::seal(&body, seq, previous, &backup.keys);
    Progress::add(&progress.bytes_stored, sealed.len());
    backup.journal.advance_run(run, &RunState::Committing { seq, manifest: sealed.hash })?;
    crate::fault::point("backup.manifest-announced");
    let committed = sealed.commit(&backup.uploader, &backup.keys, index)?;
    crate::fault::point("backup.manifest-written");
    Ok(committed)
}

/// Is the last snapshot a partial one, or may it be?
pub(super) fn is_last_partial(backup: &Backup) -> Result<bool, RunError> {
    Ok(backup.journal.fact(PARTIAL)?.is_some_and(|fact| !fact.is_empty()))
}

pub(super) fn remember_partial(backup: &Backup, partial: bool) -> Result<(), RunError> {
    Ok(backup.journal.set_fact(PARTIAL, if partial { b"1" } else { b"" })?)
}

/// Names all roots: those of this run as they became, the others by the tree that they have.
fn manifest(
    backup: &Backup,
    results: &[RootResult],
    totals: &Totals<'_>,
    progress: &Progress,
) -> Result<ManifestBody, RunError> {
    let mut roots = Vec::new();
    for state in backup.journal.roots()? {
        let result = results.iter().find(|result| result.id == state.id);
        let built = result.and_then(|result| result.built.as_ref());
        let old = summary(backup, &state.id)?;
        let (entries, bytes) = built.map_or(old, |built| (built.summary.entries, built.summary.bytes));
        remember_summary(backup, &state.id, built)?;
        let recovery = state
            .recovery_point_ms
            .map(|ms| Timestamp::new(ms.div_euclid(1000), (ms.rem_euclid(1000) * 1_000_000) as u32));
        roots.push(ManifestRoot {
            path: state.path.as_os_str().as_bytes().to_vec(),
            tree: built.map(|built| built.summary.root).or(state.tree),
            entries,
            bytes,
            frozen_by: result.map_or("", |result| result.frozen_by).into(),
            complete: result.map_or(state.last_audit_ms.is_some(), |result| result.complete),
            recovery_point: result.and_then(|result| result.recovery_point).or(recovery),
            id: state.id,
        });
    }
    Ok(ManifestBody {
        started: totals.started,
        finished: backup.clock.wall(),
        host: backup.host.clone(),
        roots,
        program: concat!("rozen ", env!("CARGO_PKG_VERSION")).into(),
        partial: totals.partial,
        problem_count: totals.problems.len() as u64,
        problems: totals.problems.iter().take(PROBLEMS).map(manifest_problem).collect(),
        stats: ManifestStats {
            files_read: progress.files_read.load(Ordering::Relaxed),
            bytes_read: progress.bytes_read.load(Ordering::Relaxed),
            bytes_stored: progress.bytes_stored.load(Ordering::Relaxed),
        },
        config: None,
    })
}

fn manifest_problem(problem: &Problem) -> ManifestProblem {
    ManifestProblem {
        code: problem.code.as_str().into(),
        path: problem.path.clone().into_bytes(),
        message: problem.message.clone(),
    }
}

/// Entries and bytes of a root's current tree: a fact of the journal, so that an unchanged root costs no read.
pub(super) fn summary(backup: &Backup, root: &str) -> Result<(u64, u64), RunError> {
    let fact = backup.journal.fact(&format!("summary/{root}"))?.unwrap_or_default();
    let number = |at: usize| fact.get(at..at + 8).map_or(0, |b| u64::from_le_bytes(b.try_into().expect("8 bytes")));
    Ok((number(0), number(8)))
}

fn remember_summary(backup: &Backup, root: &str, built: Option<&BuiltTree>) -> Result<(), RunError> {
    if let Some(built) = built {
        let value = [built.summary.entries.to_le_bytes(), built.summary.bytes.to_le_bytes()].concat();
        backup.journal.set_fact(&format!("summary/{root}"), &value)?;
    }
    Ok(())
}
