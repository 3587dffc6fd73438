//! A copy that was checked as far as a machine can: it opens no frame.

use std::collections::HashMap;

use super::super::agent::Backup;
use super::super::error::RunError;
use crate::crypto::{KeySlot, MachineKeys};
use crate::format::{IndexedFrame, MemberRow, PackLayout};
use crate::journal::{ArenaPack, FrameRow, PackContents};
use crate::model::ChunkId;
use crate::pack::SealedFrame;
use crate::seal::{FRAME_HEAD_LEN, FrameOpener};

/// All bytes of a small pack, and what the journal says of them.
pub(super) struct PackCopy {
    pub slot: KeySlot,
    bytes: Vec<u8>,
    contents: PackContents,
}

impl PackCopy {
    /// `None`: lost, damaged, or not what the journal says.
    pub(super) fn read(backup: &Backup, pack: &ArenaPack) -> Result<Option<Self>, RunError> {
        let Some(contents) = backup.journal.pack_contents(&pack.hash)? else { return Ok(None) };
        let Some(bytes) = backup.arena.read(&pack.hash, pack.size)? else { return Ok(None) };
        let Ok(layout) = PackLayout::decode(false, &backup.keys.repo_id, &bytes) else { return Ok(None) };
        let Ok([slot]) = <[KeySlot; 1]>::try_from(layout.slots) else { return Ok(None) };
        let copy = Self { slot, bytes, contents };
        let is_right = copy.contents.frames.iter().all(|frame| copy.is_right(frame, &backup.keys));
        Ok(is_right.then_some(copy))
    }

    /// In order, with the small files of each bundle.
    pub(super) fn frames(&self) -> impl Iterator<Item = SealedFrame> {
        let mut members: HashMap<ChunkId, Vec<MemberRow>> = HashMap::new();
        // the journal gives them in the order of their offsets
        for member in &self.contents.members {
            members.entry(member.bundle).or_default().push(MemberRow { id: member.file, len: member.len });
        }
        self.contents.frames.iter().map(move |row| SealedFrame {
            bytes: self.slice(row).expect("it was looked at when the copy was read").to_vec(),
            frame: IndexedFrame { id: row.chunk, kind: row.kind, len: row.len, raw_len: row.raw_len },
            members: members.remove(&row.chunk).unwrap_or_default(),
        })
    }

    /// The head of the frame is readable to this machine; its body is bound to it.
    fn is_right(&self, row: &FrameRow, keys: &MachineKeys) -> bool {
        let sealed = self.slice(row).and_then(|frame| frame.get(..FRAME_HEAD_LEN));
        let head = sealed.map(|sealed| FrameOpener::open_head(sealed, &keys.repo_id, &self.slot.slot_id, &keys.index));
        let Some(Ok(head)) = head else { return false };
        (head.id, head.kind.code(), head.raw_len, head.frame_len()) == (row.chunk, row.kind, row.raw_len, row.len)
    }

    fn slice(&self, row: &FrameRow) -> Option<&[u8]> {
        let start = usize::try_from(row.offset).ok()?;
        self.bytes.get(start..start.checked_add(row.len as usize)?)
    }
}
