//! The packer: one thread that puts frames into packs and entries into the journal.

use std::sync::mpsc::Receiver;

use super::pipeline::{Sender, SliceContext};
use super::worker::{Stop, encode};
use crate::journal::StagedEntry;
use crate::model::{Entry, RelPath};
use crate::pack::{PackWriter, SealedFrame};
use crate::tree::TreeKey;

/// Entries are staged in transactions of about so many.
const STAGED: usize = 4096;

/// A pack of very many tiny files is closed earlier, so that an index object stays small.
const PACK_ROWS: usize = 250_000;

/// What the packer takes.
pub(super) enum Packed {
    Frame {
        is_tree: bool,
        sealed: SealedFrame,
    },
    Entries(Vec<(TreeKey, Entry)>),
    Delete(TreeKey),
    DeleteBelow(RelPath),
    /// All of a slice has been sent.
    Finish,
}

pub(super) struct Packer<'a> {
    context: &'a SliceContext<'a>,
    packs: Sender<PackWriter>,
    data: Option<PackWriter>,
    tree: Option<PackWriter>,
    staged: Vec<StagedEntry>,
    has_staged: bool,
}

impl<'a> Packer<'a> {
    pub fn new(context: &'a SliceContext<'a>, packs: Sender<PackWriter>) -> Self {
        Self { context, packs, data: None, tree: None, staged: Vec::new(), has_staged: false }
    }

    /// Was anything staged in this slice?
    pub fn has_staged(&self) -> bool {
        self.has_staged
    }

    pub fn run(&mut self, queue: Receiver<Packed>) -> Result<(), Stop> {
        for packed in queue {
            match packed {
                Packed::Frame { is_tree, sealed } => self.frame(is_tree, &sealed)?,
                Packed::Entries(entries) => {
                    entries.into_iter().try_for_each(|(key, entry)| self.stage(key, Some(encode(&entry))))?
                }
                Packed::Delete(key) => self.stage(key, None)?,
                Packed::DeleteBelow(dir) => {
                    // what was staged before must not come back by a later write
                    self.flush()?;
                    self.has_staged = true;
                    self.context.backup.journal.stage_remove_subtree(self.context.root, &dir)?;
                }
                Packed::Finish => break,
            }
        }
        self.flush()?;
        for pack in [self.data.take(), self.tree.take()].into_iter().flatten() {
            self.packs.send(pack)?;
        }
        Ok(())
    }

    fn frame(&mut self, is_tree: bool, sealed: &SealedFrame) -> Result<(), Stop> {
        let backup = self.context.backup;
        let open = if is_tree { &mut self.tree } else { &mut self.data };
        let writer = match open {
            Some(writer) => writer,
            None => open.insert(PackWriter::create(&backup.spool, is_tree, &backup.keys, &self.context.slot.slot)?),
        };
        writer.append(sealed)?;
        let is_full = writer.len() >= backup.options.pack_bytes || writer.rows() >= PACK_ROWS;
        if is_full && let Some(full) = open.take() {
            self.packs.send(full)?;
        }
        Ok(())
    }

    fn stage(&mut self, key: TreeKey, entry: Option<Vec<u8>>) -> Result<(), Stop> {
        let dir = RelPath::parse(&key.dir).expect("keys of a scan are made from paths");
        self.staged.push(StagedEntry { dir, name: key.name, entry });
        if self.staged.len() >= STAGED { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), Stop> {
        if !self.staged.is_empty() {
            self.has_staged = true;
            self.context.backup.journal.stage(self.context.root, &self.staged)?;
            self.staged.clear();
            crate::fault::point("backup.staged");
        }
        Ok(())
    }
}
