//! Many small packs become one.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};

use super::super::agent::Backup;
use super::super::error::RunError;
use super::super::recover;
use super::copy::PackCopy;
use super::keep::settle;
use super::plan::{Merge, due};
use crate::crypto::KeySlot;
use crate::journal::{ArenaPack, PackContents, PackRow};
use crate::model::{ObjectHash, Problem, ProblemCode, StorageClass};
use crate::pack::{PackWriter, SpooledPack};
use crate::repo;
use crate::upload::{Origin, UploadError};

/// What a merge did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MergedPacks {
    pub class: StorageClass,
    /// Small ones, which are superseded.
    pub packs: u64,
    /// Of the one pack that was made of them.
    pub bytes: u64,
}

/// Merges what is due, after the packs themselves were indexed. What is done is told even when the rest fails.
pub(in crate::backup) fn merge_due(
    backup: &Backup,
    stop: &AtomicBool,
    done: &mut Vec<MergedPacks>,
) -> Result<(), RunError> {
    // what an earlier process merged was indexed with this run's packs
    settle(backup)?;
    let (Some(rule), most_bytes) = (backup.options.merge, backup.options.archive_pack_bytes) else { return Ok(()) };
    while !stop.load(Ordering::Relaxed) {
        let waiting = backup.journal.arena_waiting()?;
        let Some(merge) = due(&waiting, &rule, most_bytes, backup.clock.wall_ms()) else { break };
        if let Some(merged) = run(backup, &merge)? {
            tracing::info!(class = %merged.class, packs = merged.packs, bytes = merged.bytes, "small packs are merged");
            done.push(merged);
        }
    }
    Ok(())
}

/// What a person is told.
pub(in crate::backup) fn not_merged(error: &RunError) -> Problem {
    let code = match error {
        RunError::Upload(UploadError::Target { .. }) | RunError::Repository(_) => ProblemCode::Target,
        _ => ProblemCode::RunFailed,
    };
    let text = format!("small packs could not be merged for their archive class and stay as they are: {error}");
    Problem::new(code, b"", text, error.remedy())
}

/// `None`: copies were lost; they are forgotten, so that another plan is made.
fn run(backup: &Backup, merge: &Merge) -> Result<Option<MergedPacks>, RunError> {
    let Some(slots) = slots(backup, merge)? else { return Ok(None) };
    let Some(pack) = copied(backup, merge, &slots)? else { return Ok(None) };
    crate::fault::point("arena.spooled");
    let PackContents { pack: listed, frames, members } = repo::contents_of(pack.index);
    let row = PackRow { class: merge.class, spool_path: Some(pack.path), ..listed };
    let sources: Vec<ObjectHash> = merge.packs.iter().map(|pack| pack.hash).collect();
    backup.journal.pack_merged(&row, &frames, &members, &sources)?;
    backup.require_target()?;
    recover::upload_or_forget(backup, &row, Origin::ThisProcess)?;
    backup.journal.packs_stored_at(backup.clock.wall_ms())?;
    // the next snapshot would list it as well; until then it would be unknown to who reads
    let _ = repo::write_index(&backup.uploader, &backup.keys, &backup.journal)?;
    crate::fault::point("arena.indexed");
    settle(backup)?;
    Ok(Some(MergedPacks { class: merge.class, packs: sources.len() as u64, bytes: row.size }))
}

/// The key slots of all packs, each once: they stand before the first frame. `None` when any copy cannot be used.
fn slots(backup: &Backup, merge: &Merge) -> Result<Option<Vec<KeySlot>>, RunError> {
    let (mut slots, mut lost): (Vec<KeySlot>, bool) = (Vec::new(), false);
    for pack in &merge.packs {
        match read(backup, pack)? {
            Some(copy) if slots.iter().any(|slot| slot.slot_id == copy.slot.slot_id) => {}
            Some(copy) => slots.push(copy.slot),
            None => lost = true,
        }
    }
    Ok((!lost).then_some(slots))
}

/// The one pack. Each copy is read, and checked, again: a spool file must not hold what changed in between.
fn copied(backup: &Backup, merge: &Merge, slots: &[KeySlot]) -> Result<Option<SpooledPack>, RunError> {
    let mut writer = PackWriter::create(&backup.spool, false, &backup.keys, slots)?;
    let mut chunks = HashSet::new();
    for pack in &merge.packs {
        let Some(copy) = read(backup, pack)? else { return Ok(None) };
        for frame in copy.frames().filter(|frame| chunks.insert(frame.frame.id)) {
            writer.append(&frame)?;
        }
    }
    Ok(Some(writer.finish(&backup.keys)?))
}

/// A copy that cannot be used is forgotten.
fn read(backup: &Backup, pack: &ArenaPack) -> Result<Option<PackCopy>, RunError> {
    let copy = PackCopy::read(backup, pack)?;
    if copy.is_none() {
        tracing::warn!(pack = %pack.hash, "the local copy of a small pack is lost or damaged; the pack stays as it is");
        backup.journal.arena_forget(&pack.hash)?;
    }
    Ok(copy)
}
