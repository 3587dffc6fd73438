//! The uploader: one thread that completes packs and brings them to the target.

use std::sync::mpsc::Receiver;

use super::agent::Backup;
use super::error::RunError;
use super::pipeline::SliceContext;
use super::presence::Presence;
use super::progress::Progress;
use crate::journal::{FrameRow, MemberRow, PackKind, PackRow};
use crate::pack::{PackWriter, SpooledPack};
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
    let (row, frames, members) = rows(&pack);
    backup.journal.pack_spooled(&row, &frames, &members)?;
    presence.settle(frames.iter().map(|frame| frame.chunk), members.iter().map(|member| (member.file, member.len)));
    backup.upload(&row, Origin::ThisProcess)?;
    Ok(row.size)
}

fn rows(pack: &SpooledPack) -> (PackRow, Vec<FrameRow>, Vec<MemberRow>) {
    let index = &pack.index;
    let kind = if index.is_tree { PackKind::Tree } else { PackKind::Data };
    let row = PackRow { hash: index.hash, kind, size: index.size, spool_path: Some(pack.path.clone()) };
    let frames: Vec<FrameRow> = index
        .located()
        .map(|(frame, offset)| FrameRow {
            chunk: frame.id,
            kind: frame.kind,
            offset,
            len: frame.len,
            raw_len: frame.raw_len,
        })
        .collect();
    let mut members = Vec::new();
    for bundle in &index.members {
        let id = index.frames[bundle.frame as usize].id;
        members.extend(bundle.members().map(|(member, offset)| MemberRow {
            file: member.id,
            bundle: id,
            offset,
            len: member.len,
        }));
    }
    (row, frames, members)
}
