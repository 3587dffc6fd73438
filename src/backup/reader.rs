//! Reading: one thread, in the order of the walk. Small files into batches, large ones into chunks with their ids.

use std::sync::Arc;

use super::bundle::{Batch, BatchFile, SMALL_FILE};
use super::cutting::Chunks;
use super::large::{FileChunk, LargeFile};
use super::pipeline::{Flow, Halt, Sender, Work};
use super::placement::{Place, Placement};
use super::progress::Progress;
use super::racy::mark_racy;
use crate::chunk::Chunker;
use crate::clock::Clock;
use crate::crypto::ChunkIdLanes;
use crate::model::{ChunkId, Entry, EntryFlags, Problem, ProblemCode, RelPath, Timestamp};
use crate::scan::ReadJob;
use crate::source::{Disposition, FileReader, FileState, Names, ReadFile, SourceError, SourceFile};

/// A file that changes while it is read is read again so often, then stored as fuzzy.
const TRIES: u32 = 3;

pub(super) struct Reader<'a> {
    pub chunker: Chunker,
    /// Chunks whose ids are being made.
    pub lanes: ChunkIdLanes<FileChunk>,
    pub flow: &'a Flow<'a>,
    pub work: Sender<Work>,
    pub progress: &'a Progress,
    pub clock: Clock,
    /// When the view was frozen; `None` reads live.
    pub frozen_at: Option<Timestamp>,
    pub names: Names,
    pub batch: Batch,
    pub placement: Placement,
    /// Large files so far: their numbers.
    pub files: u64,
}

impl Reader<'_> {
    pub fn job(&mut self, job: ReadJob) -> Result<(), Halt> {
        let mut stat = job.stat;
        for attempt in 1..=TRIES {
            match self.attempt(&job, &stat, attempt == TRIES) {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(Failure::Halt(halt)) => return Err(halt),
                Err(Failure::Source(error)) => match error.disposition() {
                    Disposition::Vanished => return self.vanished(&job),
                    Disposition::Changed if attempt < TRIES => {}
                    Disposition::StopRun => return Err(self.flow.fail_source(error)),
                    Disposition::Changed | Disposition::Unreadable => return self.unreadable(&job, error),
                },
            }
            match job.dir.stat(&job.name) {
                // what it became is found by the next run: its directory has changed
                Ok(now) if now.kind != stat.kind => {
                    self.flow.look_again(job.dir.path());
                    return Ok(());
                }
                Ok(now) => stat = now,
                Err(SourceError::Vanished { .. }) => return self.vanished(&job),
                Err(error) => return self.unreadable(&job, error),
            }
        }
        Ok(())
    }

    /// What is left at the end.
    pub fn finish(&mut self) -> Result<(), Halt> {
        self.flush()?;
        let chunks = self.lanes.finish();
        self.hand_over(chunks)
    }

    fn hand_over(&self, chunks: Vec<(ChunkId, FileChunk)>) -> Result<(), Halt> {
        chunks.into_iter().try_for_each(|(id, chunk)| self.work.send(Work::Chunk(id, chunk)))
    }

    /// What is in the batch.
    fn flush(&mut self) -> Result<(), Halt> {
        if self.batch.files.is_empty() {
            return Ok(());
        }
        self.work.send(Work::Small(std::mem::replace(&mut self.batch, Batch::new())))
    }

    /// `false`: the file changed meanwhile, read it again.
    fn attempt(&mut self, job: &ReadJob, stat: &crate::source::Stat, last: bool) -> Result<bool, Failure> {
        let read_at = self.frozen_at.unwrap_or_else(|| self.clock.wall());
        let file = job.dir.open_file(&job.name, stat)?;
        let (entry, problems) = file.read_entry(&mut self.names);
        let mut entry = job.found(entry);
        mark_racy(&mut entry, read_at);
        let done = match file.stat().size {
            0..=SMALL_FILE => self.small(job, file, entry, last)?,
            _ => self.large(job, file, entry, last)?,
        };
        if done {
            problems.into_iter().for_each(|problem| self.flow.problem(problem));
        }
        Ok(done)
    }

    fn small(&mut self, job: &ReadJob, file: SourceFile, entry: Entry, last: bool) -> Result<bool, Failure> {
        let start = self.batch.data.len();
        let size = file.stat().size as usize;
        let mut reader = file.into_reader();
        let finished = reader.read(&mut self.batch.data, size).and_then(|_| reader.finish());
        let read = match finished {
            Ok(read) if read.state == FileState::Unchanged || last => read,
            other => {
                self.batch.data.truncate(start);
                return other.map(|_| false).map_err(Failure::from);
            }
        };
        let entry = self.described(entry, &read, job);
        self.count(&read);
        if read.data_len == 0 {
            self.flow.put(job.key(), entry)?;
            return Ok(true);
        }
        let range = start..self.batch.data.len();
        self.batch.files.push(BatchFile { key: job.key(), entry, range });
        if self.batch.is_full() {
            self.flush()?;
        }
        Ok(true)
    }

    fn large(&mut self, job: &ReadJob, file: SourceFile, entry: Entry, last: bool) -> Result<bool, Failure> {
        self.files += 1;
        let alone = self.placement.is_alone(entry.size);
        let place = if alone { Place::Alone(self.files) } else { Place::Data };
        let large = Arc::new(LargeFile::new(job.key(), place));
        let mut reader = file.into_reader();
        self.chunks(&large, &mut reader)?;
        let read = reader.finish()?;
        if read.state == FileState::Changed && !last {
            return Ok(false);
        }
        let entry = self.described(entry, &read, job);
        self.count(&read);
        self.work.send(Work::End { file: large, entry: Box::new(entry) })?;
        Ok(true)
    }

    /// Reads, cuts, makes ids, hands over.
    fn chunks(&mut self, file: &Arc<LargeFile>, reader: &mut FileReader) -> Result<(), Failure> {
        let mut chunks = Chunks::new(&self.chunker, reader);
        while let Some(data) = chunks.next()? {
            self.flow.check()?;
            let at = file.begin_chunk();
            let complete = self.lanes.push(FileChunk { file: file.clone(), at, data });
            self.hand_over(complete)?;
        }
        Ok(())
    }

    /// The entry as what was read: size, holes, and whether it is one state of the file.
    fn described(&self, mut entry: Entry, read: &ReadFile, job: &ReadJob) -> Entry {
        entry.size = read.size;
        entry.extents = read.extents.clone();
        if read.state == FileState::Changed {
            entry.flags = entry.flags.with(EntryFlags::FUZZY);
            self.flow.look_again(job.dir.path());
            self.flow.problem(changed_while_read(&job.path()));
        }
        entry
    }

    fn count(&self, read: &ReadFile) {
        Progress::add(&self.progress.files_read, 1);
        Progress::add(&self.progress.bytes_read, read.data_len);
    }

    fn vanished(&mut self, job: &ReadJob) -> Result<(), Halt> {
        match job.vanished(&mut self.names) {
            None => self.flow.delete(job.key()),
            Some(entry) => self.flow.put(job.key(), entry),
        }
    }

    /// What is known of it stays, marked so that it is read again; a file that was never read gets an entry without content.
    fn unreadable(&mut self, job: &ReadJob, error: SourceError) -> Result<(), Halt> {
        self.flow.problem(error.to_problem());
        if let Some(previous) = &job.previous {
            let mut entry = (**previous).clone();
            entry.flags = entry.flags.with(EntryFlags::UNREADABLE);
            return self.flow.put(job.key(), entry);
        }
        let Ok((mut entry, _)) = job.dir.read_entry(&job.name, &job.stat, &mut self.names) else { return Ok(()) };
        entry.fs = job.fs;
        entry.flags = entry.flags.with(EntryFlags::UNREADABLE);
        self.flow.put(job.key(), entry)
    }
}

/// Why an attempt ended: the file, or the run.
enum Failure {
    Source(SourceError),
    Halt(Halt),
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Self {
        Failure::Source(error)
    }
}

impl From<Halt> for Failure {
    fn from(halt: Halt) -> Self {
        Failure::Halt(halt)
    }
}

fn changed_while_read(path: &RelPath) -> Problem {
    Problem::new(
        ProblemCode::ChangedWhileRead,
        path.as_bytes(),
        "it changed each time while it was being read; it is stored as it was read and marked",
        "nothing to do: it is read again by the next run; on btrfs a freeze avoids this",
    )
}
