//! The uploader: one thread that completes packs and brings them to the target.

use std::sync::mpsc::Receiver;

use super::agent::Backup;
use super::error::RunError;
use super::pipeline::SliceContext;
use super::presence::Presence;
use super::progress::Progress;
use crate::journal::{PackContents, PackRow};
use crate::pack::PackWriter;
use crate::repo;
use crate::upload::Origin;

pub(super) fn run(context: &SliceContext<'_>, packs: Receiver<PackWriter>) -> Result<(), RunError> {
    for pack in packs {
        let stored = store_pack(context.backup, context.presence, pack)?;
        Progress::add(&context.progress.bytes_stored, stored);
    }
    Ok(())
}

/// Spooled, then known to the journal, then durable in the target. Gives the bytes of the object.
pub(super) fn store_pack(backup: &Backup, presence: &Presence, pack: PackWriter) -> Result<u64, RunError> {
    let pack = pack.finish(&backup.keys)?;
    crate::fault::point("backup.pack-spooled");
    let PackContents { pack: listed, frames, members } = repo::contents_of(pack.index);
    let row = PackRow { spool_path: Some(pack.path), ..listed };
    backup.journal.pack_spooled(&row, &frames, &members)?;
    presence.settle(frames.iter().map(|frame| frame.chunk), members.iter().map(|member| (member.file, member.len)));
    backup.require_target()?;
    backup.upload(&row, Origin::ThisProcess)?;
    Ok(row.size)
}
