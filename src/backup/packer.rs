//! The packer: one thread that puts frames into packs and entries into the journal.

use std::sync::mpsc::Receiver;

use super::pipeline::{Sender, SliceContext};
use super::placement::Place;
use super::worker::{Stop, encode};
use crate::journal::StagedEntry;
use crate::model::{Entry, RelPath};
use crate::pack::{PackWriter, SealedFrame};
use crate::tree::TreeKey;

/// Entries are staged in transactions of about so many.
const STAGED: usize = 4096;

/// A pack of very many tiny files is closed earlier, so that an index object stays small.
const PACK_ROWS: usize = 250_000;

/// Huge files whose packs are open at once.
const FILES_OPEN: usize = 2;

/// What the packer takes.
pub(super) enum Packed {
    Frame {
        place: Place,
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
    /// In the order in which they were begun.
    open: Vec<(Place, PackWriter)>,
    staged: Vec<StagedEntry>,
    has_staged: bool,
}

impl<'a> Packer<'a> {
    pub fn new(context: &'a SliceContext<'a>, packs: Sender<PackWriter>) -> Self {
        Self { context, packs, open: Vec::new(), staged: Vec::new(), has_staged: false }
    }

    /// Was anything staged in this slice?
    pub fn has_staged(&self) -> bool {
        self.has_staged
    }

    pub fn run(&mut self, queue: Receiver<Packed>) -> Result<(), Stop> {
        for packed in queue {
            match packed {
                Packed::Frame { place, sealed } => self.frame(place, &sealed)?,
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
        self.open.drain(..).try_for_each(|(_, pack)| Ok(self.packs.send(pack)?))
    }

    fn frame(&mut self, place: Place, sealed: &SealedFrame) -> Result<(), Stop> {
        let at = match self.open.iter().position(|(other, _)| *other == place) {
            Some(at) => at,
            None => self.begin(place)?,
        };
        let writer = &mut self.open[at].1;
        writer.append(sealed)?;
        if place != Place::Tree {
            self.context.progress.packed(u64::from(sealed.frame.len), u64::from(sealed.frame.raw_len));
        }
        let most = match place {
            Place::Tree => self.context.backup.options.pack_bytes,
            Place::Data | Place::Alone(_) => self.context.placement.pack_bytes(),
        };
        if writer.len() >= most || writer.rows() >= PACK_ROWS {
            let (_, full) = self.open.remove(at);
            self.packs.send(full)?;
        }
        Ok(())
    }

    fn begin(&mut self, place: Place) -> Result<usize, Stop> {
        if matches!(place, Place::Alone(_)) {
            self.end_old_files()?;
        }
        let backup = self.context.backup;
        let is_tree = place == Place::Tree;
        let slots = std::slice::from_ref(&self.context.slot.slot);
        let writer = PackWriter::create(&backup.spool, is_tree, &backup.keys, slots)?;
        self.open.push((place, writer));
        Ok(self.open.len() - 1)
    }

    /// Frames of a file can come a little after the first ones of the next file, as several workers make them.
    fn end_old_files(&mut self) -> Result<(), Stop> {
        let is_file = |(place, _): &(Place, PackWriter)| matches!(place, Place::Alone(_));
        while self.open.iter().filter(|open| is_file(open)).count() >= FILES_OPEN {
            let Some(oldest) = self.open.iter().position(is_file) else { break };
            let (_, pack) = self.open.remove(oldest);
            self.packs.send(pack)?;
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
