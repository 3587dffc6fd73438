//! Reading: one thread, in the order of the walk. Small files into batches, large ones into chunks with their ids. When the slice is
//! over, what is left is handed back; a large file goes on in the next slice where it was left, so that nothing is read twice.

use std::sync::Arc;
use std::sync::mpsc::Receiver;

use super::bundle::{Batch, BatchFile, SMALL_FILE};
use super::cutting::Chunks;
use super::deadline::Deadline;
use super::feed::Unread;
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
use crate::source::{Disposition, FileState, Names, ReadFile, SourceError, SourceFile, Stat};

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
    /// Of the slice.
    pub deadline: Deadline,
    /// When the view was frozen; `None` reads live.
    pub frozen_at: Option<Timestamp>,
    pub names: Names,
    pub batch: Batch,
    pub placement: Placement,
    /// Large files so far: their numbers.
    pub files: u64,
    /// In this slice: a bundle, a chunk, or that a file cannot be read.
    pub has_read: bool,
}

/// A large file that is being read.
struct Large {
    file: Arc<LargeFile>,
    /// Of large files.
    number: u64,
    chunks: Chunks,
    entry: Entry,
    problems: Vec<Problem>,
}

/// One that goes on in the next slice.
pub(super) struct HalfRead {
    job: ReadJob,
    attempt: u32,
    large: Box<Large>,
}

/// How an attempt to read a file ended.
enum Attempt {
    Done,
    /// The file changed meanwhile, read it again.
    Changed,
    /// The slice is over.
    CutOff(Box<Large>),
}

impl Reader<'_> {
    /// Reads until all is read or the slice is over; gives what is left. `half` is read to its end in any case, so that no file is
    /// cut off for ever.
    pub fn run(mut self, half: Option<HalfRead>, jobs: Receiver<ReadJob>) -> Result<Unread, Halt> {
        if let Some(HalfRead { job, attempt, large }) = half {
            self.files = large.number;
            let stat = *large.chunks.stat();
            self.tries(job, stat, attempt, Some(large), false)?;
        }
        let mut unread = Unread::default();
        for job in jobs {
            self.flow.check()?;
            if unread.half.is_some() || self.is_over() {
                unread.jobs.push_back(job);
            } else {
                let stat = job.stat;
                unread.half = self.tries(job, stat, 1, None, true)?;
            }
        }
        self.finish()?;
        Ok(unread)
    }

    /// However late it is, something is read in each slice.
    fn is_over(&self) -> bool {
        self.has_read && self.deadline.is_over()
    }

    /// From attempt number `first` on, of which `begun` has read a part. Gives what is to go on if the slice ends and `may_cut_off`.
    fn tries(
        &mut self,
        job: ReadJob,
        mut stat: Stat,
        first: u32,
        mut begun: Option<Box<Large>>,
        may_cut_off: bool,
    ) -> Result<Option<HalfRead>, Halt> {
        for attempt in first..=TRIES {
            let (last, begun) = (attempt == TRIES, begun.take());
            match self.attempt(&job, &stat, begun, last, may_cut_off) {
                Ok(Attempt::Done) => return Ok(None),
                Ok(Attempt::CutOff(large)) => return Ok(Some(HalfRead { job, attempt, large })),
                Ok(Attempt::Changed) => {}
                Err(Failure::Halt(halt)) => return Err(halt),
                Err(Failure::Source(error)) => match error.disposition() {
                    Disposition::Vanished => return self.flow.delete(job.key()).map(|()| None),
                    Disposition::Changed if attempt < TRIES => {}
                    Disposition::StopRun => return Err(self.flow.fail_source(error)),
                    Disposition::Changed | Disposition::Unreadable => {
                        return self.unreadable(&job, error).map(|()| None);
                    }
                },
            }
            match job.dir.stat(&job.name) {
                // what it became is found by the next run: its directory has changed
                Ok(now) if now.kind != stat.kind => {
                    self.flow.look_again(job.dir.path());
                    return Ok(None);
                }
                Ok(now) => stat = now,
                Err(SourceError::Vanished { .. }) => return self.flow.delete(job.key()).map(|()| None),
                Err(error) => return self.unreadable(&job, error).map(|()| None),
            }
        }
        Ok(None)
    }

    /// What is left at the end.
    fn finish(&mut self) -> Result<(), Halt> {
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
        self.has_read = true;
        self.work.send(Work::Small(std::mem::replace(&mut self.batch, Batch::new())))
    }

    fn attempt(
        &mut self,
        job: &ReadJob,
        stat: &Stat,
        begun: Option<Box<Large>>,
        last: bool,
        may_cut_off: bool,
    ) -> Result<Attempt, Failure> {
        if let Some(large) = begun {
            return self.large(job, large, last, may_cut_off);
        }
        let read_at = self.frozen_at.unwrap_or_else(|| self.clock.wall());
        let file = job.dir.open_file(&job.name, stat)?;
        let (mut entry, problems) = file.read_entry(&mut self.names);
        entry.fs = job.fs;
        mark_racy(&mut entry, read_at);
        if file.stat().size <= SMALL_FILE {
            return self.small(job, file, entry, problems, last);
        }
        let large = self.begin(job, file, entry, problems);
        self.large(job, large, last, may_cut_off)
    }

    fn small(
        &mut self,
        job: &ReadJob,
        file: SourceFile,
        entry: Entry,
        problems: Vec<Problem>,
        last: bool,
    ) -> Result<Attempt, Failure> {
        let start = self.batch.data.len();
        let size = file.stat().size as usize;
        let mut reader = file.into_reader();
        let finished = reader.read(&mut self.batch.data, size).and_then(|_| reader.finish());
        let read = match finished {
            Ok(read) if read.state == FileState::Unchanged || last => read,
            other => {
                self.batch.data.truncate(start);
                return other.map(|_| Attempt::Changed).map_err(Failure::from);
            }
        };
        let entry = self.described(entry, &read, job);
        self.count(&read);
        self.tell(problems);
        if read.data_len == 0 {
            self.flow.put(job.key(), entry)?;
            return Ok(Attempt::Done);
        }
        let range = start..self.batch.data.len();
        self.batch.files.push(BatchFile { key: job.key(), entry, range });
        if self.batch.is_full() {
            self.flush()?;
        }
        Ok(Attempt::Done)
    }

    fn begin(&mut self, job: &ReadJob, file: SourceFile, entry: Entry, problems: Vec<Problem>) -> Box<Large> {
        self.files += 1;
        let place = if self.placement.is_alone(entry.size) { Place::Alone(self.files) } else { Place::Data };
        let chunks = Chunks::new(file.into_reader());
        let file = Arc::new(LargeFile::new(job.key(), place));
        Box::new(Large { file, number: self.files, chunks, entry, problems })
    }

    /// Reads, cuts, makes ids, hands over.
    fn large(
        &mut self,
        job: &ReadJob,
        mut large: Box<Large>,
        last: bool,
        may_cut_off: bool,
    ) -> Result<Attempt, Failure> {
        while let Some(data) = large.chunks.next(&self.chunker)? {
            self.flow.check()?;
            let at = large.file.begin_chunk();
            let complete = self.lanes.push(FileChunk { file: large.file.clone(), at, data });
            self.hand_over(complete)?;
            self.has_read = true;
            if may_cut_off && !large.chunks.are_all_given() && self.deadline.is_over() {
                return Ok(Attempt::CutOff(large));
            }
        }
        let Large { file, chunks, entry, problems, .. } = *large;
        let read = chunks.finish()?;
        if read.state == FileState::Changed && !last {
            return Ok(Attempt::Changed);
        }
        let entry = self.described(entry, &read, job);
        self.count(&read);
        self.tell(problems);
        self.work.send(Work::End { file, entry: Box::new(entry) })?;
        Ok(Attempt::Done)
    }

    fn tell(&self, problems: Vec<Problem>) {
        problems.into_iter().for_each(|problem| self.flow.problem(problem));
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

    /// What is known of it stays, marked so that it is read again; a file that was never read gets an entry without content.
    fn unreadable(&mut self, job: &ReadJob, error: SourceError) -> Result<(), Halt> {
        self.has_read = true;
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
