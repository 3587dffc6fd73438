//! Writing files, links and special files: one worker per thread.

use std::sync::Arc;

use super::batch::{Item, Job};
use super::context::{Context, ItemError};
use super::existing::{Begun, Making, Staged, begin};
use super::large::{LargeFile, LargePart};
use super::links::LinkKey;
use super::reading::Reading;
use super::report::Count;
use super::{Overwrite, RestoreError};
use crate::model::EntryKind;
use crate::repo::{DataParts, FileData};
use crate::source::{DestFile, DestinationError, LinkSource, MetadataWriter, Stat, Target, looks_unfinished};

/// Files of so many bytes begin to go to the disk as soon as they are written, so that little is left to wait for at the end.
/// For smaller ones the disk would be asked too often.
const WRITEBACK_FROM: u64 = 1 << 20;

pub(super) struct Worker<'c, 'a> {
    pub context: &'c Context<'a>,
    pub metadata: MetadataWriter,
}

impl<'c, 'a> Worker<'c, 'a> {
    pub fn new(context: &'c Context<'a>) -> Self {
        Self { context, metadata: context.metadata_writer() }
    }

    /// A stopped restore takes its jobs without doing them, so that nobody waits for a full queue.
    pub fn job(&mut self, job: Job) {
        match job {
            Job::Batch(items) if !self.context.is_stopped() => self.batch(&items),
            Job::Batch(_) => {}
            Job::Part(part) => self.part(&part),
        }
    }

    fn batch(&mut self, items: &[Item]) {
        let mut reading = Reading::of(self.context, items);
        for item in items {
            if !self.context.is_stopped() {
                self.restore(item, &mut reading);
            }
        }
    }

    pub fn restore(&mut self, item: &Item, reading: &mut Reading<'a>) {
        let restored = match item.entry.kind {
            EntryKind::File => self.file(item, reading),
            _ => self.node(item),
        };
        if let Err(error) = restored {
            self.context.failed(&item.path(), error);
        }
        self.context.progress.entry();
    }

    fn file(&mut self, item: &Item, reading: &mut Reading<'a>) -> Result<(), ItemError> {
        let data = self.context.files.open(&item.entry)?;
        let Some(file) = self.begin_file(item, of_small(item))? else { return Ok(()) };
        let written = self.write(&file.made, &data, reading).and_then(|()| self.end_file(item, &file));
        if let Err(error) = written {
            file.discard(self.context, item)?;
            return Err(error);
        }
        self.context.progress.bytes(item.entry.size);
        Ok(())
    }

    /// `None`: nothing is to be written.
    fn begin_file(&mut self, item: &Item, making: Making) -> Result<Option<Staged<DestFile>>, ItemError> {
        let file = self.begin(item, making, |name| item.dir.create_file(name))?;
        match &file {
            Some(file) => {
                let problems = self.metadata.prepare(file.made.target(), &item.entry);
                self.context.metadata_problems(&item.path(), problems);
            }
            None => self.context.progress.bytes(item.entry.size),
        }
        Ok(file)
    }

    /// `None`: what has the name stays, and was seen to.
    fn begin<T>(
        &mut self,
        item: &Item,
        making: Making,
        make: impl Fn(&[u8]) -> Result<T, DestinationError>,
    ) -> Result<Option<Staged<T>>, ItemError> {
        let mut begun = begin(self.context, self.context.options.overwrite, item, making, &make)?;
        if let Begun::Complete(found) = &begun {
            match self.complete(item, found)? {
                true => return Ok(None),
                false => begun = begin(self.context, Overwrite::Always, item, making, &make)?,
            }
        }
        match begun {
            Begun::New(made) => return Ok(Some(made)),
            Begun::Complete(_) | Begun::Kept => self.context.count(Count::Kept),
        }
        Ok(None)
    }

    /// Immutable and append-only come after all files and links.
    pub(super) fn protect_later(&self, item: &Item) -> Result<(), RestoreError> {
        if item.entry.inode_flags.is_some() {
            let mut flagged = self.context.flagged.lock().expect("nothing panics while it is held");
            flagged.push(&item.path(), &item.entry)?;
        }
        Ok(())
    }

    fn write(&self, file: &DestFile, data: &FileData, reading: &mut Reading<'a>) -> Result<(), ItemError> {
        self.write_data(file, data, reading)?;
        if data.ends_with_hole() {
            // with its size, time and mode it looks complete: not before its data is on the disk
            file.sync_data()?;
            file.set_len(data.size)?;
        }
        Ok(())
    }

    fn write_data(&self, file: &DestFile, data: &FileData, reading: &mut Reading<'a>) -> Result<(), ItemError> {
        let mut sink = |at, bytes: &[u8]| self.write_at(file, at, bytes);
        if let DataParts::Bundled { id, bundle, offset, len } = &data.parts {
            let bundle = reading.bundle(self.context, bundle)?;
            return data.place(0, self.context.files.of_bundle(&bundle, id, *offset, *len)?, &mut sink);
        }
        self.context.files.read_ahead(data, &mut reading.ahead, &mut sink)?;
        if data.size >= WRITEBACK_FROM {
            file.begin_writeback(0, 0)?;
        }
        Ok(())
    }

    fn write_at(&self, file: &DestFile, at: u64, bytes: &[u8]) -> Result<(), ItemError> {
        file.write_at(at, bytes)?;
        self.context.flushing.wrote(bytes.len() as u64);
        Ok(())
    }

    /// All data is written: metadata, the name, and what other names need.
    fn end_file(&mut self, item: &Item, file: &Staged<DestFile>) -> Result<(), ItemError> {
        self.end(item, file, |made| made.target())?;
        if LinkKey::of(&item.entry).is_some() {
            self.link_source(item, &file.made.stat()?);
        }
        self.context.count(Count::File { bytes: item.entry.size });
        Ok(())
    }

    fn node(&mut self, item: &Item) -> Result<(), ItemError> {
        let context = self.context;
        let make = |name: &[u8]| item.dir.create_node(name, &item.entry);
        let Some(node) = self.begin(item, Making::Staged, make)? else { return Ok(()) };
        if let Err(error) = self.end(item, &node, |made| made.target()) {
            node.discard(context, item)?;
            return Err(error);
        }
        if LinkKey::of(&item.entry).is_some() {
            self.link_source(item, &node.made.stat()?);
        }
        self.context.count(Count::Other);
        Ok(())
    }

    fn end<T>(&mut self, item: &Item, made: &Staged<T>, target: impl Fn(&T) -> Target<'_>) -> Result<(), ItemError> {
        let problems = self.metadata.apply(target(&made.made), &item.entry)?;
        if !problems.is_empty() {
            self.context.metadata_problems(&item.path(), problems);
        }
        made.publish(self.context, item)?;
        self.protect_later(item)?;
        if !item.entry.flags.is_empty() {
            self.context.note_unreadable(&item.path(), &item.entry);
        }
        Ok(())
    }

    /// Further names may be given to it. `stat`: of what has its real name.
    pub(super) fn link_source(&self, item: &Item, stat: &Stat) {
        if let Some(key) = LinkKey::of(&item.entry) {
            self.context.links.put(key, LinkSource::new(item.path(), stat));
        }
    }

    /// Creates a large file; its parts go to all workers. `None`: there is nothing to write.
    pub fn begin_large(&mut self, item: Item) -> Result<Option<Arc<LargeFile>>, ItemError> {
        let data = self.context.files.open(&item.entry)?;
        let Some(file) = self.begin_file(&item, Making::Staged)? else { return Ok(None) };
        if data.ends_with_hole()
            && let Err(error) = file.made.set_len(data.size)
        {
            file.discard(self.context, &item)?;
            return Err(error.into());
        }
        Ok(Some(Arc::new(LargeFile::new(item, file, data))))
    }

    fn part(&mut self, part: &LargePart) {
        let (context, file) = (self.context, &part.file);
        if !context.is_stopped() && !file.has_failed() {
            file.note(self.write_part(part));
        }
        if file.end_part() {
            self.end_large(file);
        }
    }

    fn write_part(&self, part: &LargePart) -> Result<(), ItemError> {
        let (context, data, made) = (self.context, &part.file.data, &part.file.staged.made);
        let mut ahead = context.contents.ahead(part.chunk_ids());
        let (mut first, mut end) = (u64::MAX, 0);
        part.each_chunk(|at, chunk| {
            let bytes = context.files.chunk(&mut ahead, chunk)?;
            context.progress.bytes(u64::from(chunk.len));
            data.place(at, &bytes, &mut |at, bytes| {
                (first, end) = (first.min(at), end.max(at + bytes.len() as u64));
                self.write_at(made, at, bytes)
            })
        })?;
        if first < end {
            made.begin_writeback(first, end - first)?;
        }
        Ok(())
    }

    /// Its parts came in any order, so its size is right long before its data is on the disk: after a power cut the time
    /// must not say that it is complete.
    fn end_written(&mut self, file: &LargeFile) -> Result<(), ItemError> {
        file.staged.made.sync_data()?;
        self.end_file(&file.item, &file.staged)
    }

    fn end_large(&mut self, file: &LargeFile) {
        if self.context.is_stopped() {
            let _ = file.staged.discard(self.context, &file.item);
            return;
        }
        let ended = match file.take_failure() {
            Some(error) => Err(error),
            None => self.end_written(file),
        };
        if let Err(error) = ended {
            self.context.failed(&file.item.path(), error);
            if let Err(error) = file.staged.discard(self.context, &file.item) {
                self.context.failed(&file.item.path(), error.into());
            }
        }
        self.context.progress.entry();
    }
}

/// A rename would cost a small file much: the mark is enough where it can tell.
fn of_small(item: &Item) -> Making {
    match item.dir.keeps_marks() && !looks_unfinished(&item.entry) {
        true => Making::Direct,
        false => Making::Staged,
    }
}
