//! The uploaders: threads that complete packs and bring them to the target.

use std::sync::mpsc::Receiver;
use std::sync::{Mutex, PoisonError};

use super::agent::Backup;
use super::arena;
use super::error::RunError;
use super::pipeline::{EmptyOnPanic, Flow, SliceContext};
use super::placement::Placement;
use super::presence::Presence;
use super::progress::Progress;
use super::recover;
use crate::journal::{PackContents, PackRow};
use crate::pack::PackWriter;
use crate::repo;
use crate::upload::Origin;

/// Packs on their way at the same time. Where they go by parts, the asking before and after a pack's bytes would else
/// leave the line idle; a directory is no faster for being written to twice.
pub(super) fn threads(backup: &Backup) -> usize {
    if backup.store.part_rules().is_some() { 2 } else { 1 }
}

/// One of them. After an error of any thread it drops what still comes, so that nobody waits for a place in the queue.
pub(super) fn run(context: &SliceContext<'_>, flow: &Flow<'_>, packs: &Mutex<Receiver<PackWriter>>) {
    let _emptied = EmptyOnPanic { flow, queue: packs };
    while let Some(pack) = next(packs) {
        if flow.has_failed() {
            continue;
        }
        match store_pack(context.backup, context.presence, &context.placement, pack) {
            Ok(stored) => Progress::add(&context.progress.bytes_stored, stored),
            Err(error) => drop(flow.fail(error)),
        }
    }
}

/// `None` when all have come. Those who wait for their turn wait for the same queue.
fn next(packs: &Mutex<Receiver<PackWriter>>) -> Option<PackWriter> {
    packs.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

/// Spooled, then known to the journal, then durable in the target. Gives the bytes of the object.
pub(super) fn store_pack(
    backup: &Backup,
    presence: &Presence,
    placement: &Placement,
    pack: PackWriter,
) -> Result<u64, RunError> {
    let pack = pack.finish(&backup.keys)?;
    crate::fault::point("backup.pack-spooled");
    let PackContents { pack: listed, frames, members } = repo::contents_of(pack.index);
    let class = placement.class_of(listed.kind, listed.size);
    let row = PackRow { class, spool_path: Some(pack.path), ..listed };
    backup.journal.pack_spooled(&row, &frames, &members)?;
    if let Some(class) = placement.meant_for(row.kind, row.size) {
        arena::keep(backup, &row, class)?;
    }
    presence.settle(frames.iter().map(|frame| frame.chunk), members.iter().map(|member| (member.file, member.len)));
    backup.require_target()?;
    recover::upload_or_forget(backup, &row, Origin::ThisProcess)?;
    Ok(row.size)
}
