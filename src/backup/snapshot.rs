//! Committing: index objects, then the manifest, the journal told before and after.

use super::agent::Backup;
use super::config;
use super::error::RunError;
use super::nodes::BuiltTree;
use super::progress::Progress;
use super::recover;
use crate::format::{ManifestBody, ManifestProblem, ManifestRoot, ManifestStats};
use crate::journal::{RootState, RunId};
use crate::model::{ListedRoot, ObjectHash, Problem, Seq, Timestamp};
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
    /// How it was read; `None`: nothing of it had to be.
    pub frozen_by: Option<&'static str>,
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
        recover::upload_or_forget(backup, &row, Origin::EarlierProcess)?;
    }
    backup.journal.packs_stored_at(backup.clock.wall_ms())?;
    let index = repo::write_index(&backup.uploader, &backup.keys, &backup.journal)?;
    let trees: u64 = results.iter().filter_map(|result| result.built.as_ref()).map(|built| built.stored_bytes).sum();
    Progress::add(&progress.bytes_stored, index.stored_bytes + trees);
    let head = backup.journal.head()?;
    let (seq, previous) = head.map_or((Seq(1), ObjectHash([0; 32])), |(seq, hash)| (seq.next(), hash));
    let config = config::store(backup)?;
    let body = ManifestBody { config, ..manifest(backup, results, totals, progress)? };
    let listing: Vec<ListedRoot> = body.roots.iter().map(|root| root.listed(&backup.keys)).collect();
    let sealed = SealedManifest::seal(&body, seq, previous, &backup.keys);
    Progress::add(&progress.bytes_stored, sealed.len());
    backup.journal.announce_manifest(run, (seq, sealed.hash), &listing)?;
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

/// Names all roots: those of this run as they became, the others as the last snapshot lists them.
fn manifest(
    backup: &Backup,
    results: &[RootResult],
    totals: &Totals<'_>,
    progress: &Progress,
) -> Result<ManifestBody, RunError> {
    let mut roots = Vec::new();
    for state in backup.journal.roots()? {
        let result = results.iter().find(|result| result.id == state.id);
        roots.push(manifest_root(state, result, backup)?);
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

/// A root that was not read keeps its tree, also when the local nodes of that tree are lost or older.
fn manifest_root(state: RootState, result: Option<&RootResult>, backup: &Backup) -> Result<ManifestRoot, RunError> {
    let listed = backup.listed(&state.id)?;
    let built = result.and_then(|result| result.built.as_ref()).map(|built| &built.summary);
    let old = listed.as_ref().map_or((state.tree, 0, 0), |listed| (listed.tree, listed.entries, listed.bytes));
    let (tree, entries, bytes) = built.map_or(old, |new| (Some(new.root), new.entries, new.bytes));
    let was_complete = listed.as_ref().map_or(state.last_audit_ms.is_some(), |listed| listed.complete);
    let known_point = state.recovery_point_ms.map(Timestamp::from_millis);
    Ok(ManifestRoot {
        path: state.path.as_os_str().as_bytes().to_vec(),
        tree,
        entries,
        bytes,
        frozen_by: result.and_then(|result| result.frozen_by).unwrap_or_default().into(),
        complete: result.map_or(was_complete, |result| result.complete),
        recovery_point: result
            .and_then(|result| result.recovery_point)
            .or(known_point)
            .or(listed.and_then(|listed| listed.recovery_point)),
        id: state.id,
    })
}

fn manifest_problem(problem: &Problem) -> ManifestProblem {
    ManifestProblem {
        code: problem.code.as_str().into(),
        path: problem.path.clone().into_bytes(),
        message: problem.message.clone(),
    }
}

/// Entries and bytes of a root as the last snapshot lists it.
pub(super) fn summary(backup: &Backup, root: &str) -> Result<(u64, u64), RunError> {
    Ok(backup.listed(root)?.map_or((0, 0), |listed| (listed.entries, listed.bytes)))
}
