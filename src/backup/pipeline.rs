//! The threads of a run and the bounded queues between them: scan → read → workers → packer → uploaders.
//!
//! A slice of a scan goes through and is drained; then everything that it read is staged, spooled and uploaded. When its time has passed
//! nothing more is begun: what was found and not read, and a large file in the middle, wait for the next slice ([`Remaining`]). Only what
//! was read by then is still sent, no more than the queues and the spool hold. Each slice reads something, and one that begins in the
//! middle of a file reads it to its end, so that a scan ends however short its slices are. The first error wins: it closes the flow,
//! every thread sees its queue end and stops.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::agent::Backup;
use super::bundle::Batch;
use super::deadline::Deadline;
use super::error::RunError;
use super::feed::{Remaining, Unread, feed};
use super::large::{FileChunk, LargeFile};
use super::packer::{Packed, Packer};
use super::placement::Placement;
use super::presence::Presence;
use super::progress::Progress;
use super::reader::{HalfRead, Reader};
use super::unannounced::Unannounced;
use super::uploader;
use super::worker::{Stop, Worker};
use crate::crypto::SealingSlot;
use crate::model::{ChunkId, Entry, Problem, RelPath, Timestamp};
use crate::pack::PackWriter;
use crate::scan::ReadJob;
use crate::seal::{ChunkIds, FrameKind, FrameSealer};
use crate::source::{Names, SourceError};
use crate::tree::{NodeSource, TreeKey};

/// Jobs between scan and reader: metadata only, but each may hold a directory open, and many machines allow a program 1,024 files.
const JOBS: usize = 256;
/// Batches and chunks between reader and workers, up to 4 MiB each.
const WORK: usize = 4;
/// Frames and entries between workers and packer.
const PACKED: usize = 6;
/// Finished packs between packer and uploaders; they are files.
const PACKS: usize = 2;

/// What the workers do.
pub(super) enum Work {
    Small(Batch),
    Chunk(ChunkId, FileChunk),
    End { file: Arc<LargeFile>, entry: Box<Entry> },
}

/// The flow was closed: somebody failed, or the run was stopped.
#[derive(Debug)]
pub(super) struct Halt;

pub(super) struct Sender<T>(SyncSender<T>);

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Sender(self.0.clone())
    }
}

impl<T> Sender<T> {
    pub fn send(&self, value: T) -> Result<(), Halt> {
        self.0.send(value).map_err(|_| Halt)
    }
}

pub(super) fn queue<T>(bound: usize) -> (Sender<T>, Receiver<T>) {
    let (sender, receiver) = sync_channel(bound);
    (Sender(sender), receiver)
}

/// What all threads of a slice share.
pub(super) struct Flow<'a> {
    root: &'a str,
    stop: &'a AtomicBool,
    packed: Sender<Packed>,
    failed: AtomicBool,
    error: Mutex<Option<RunError>>,
    problems: Mutex<Vec<Problem>>,
    again: Mutex<Vec<RelPath>>,
}

impl<'a> Flow<'a> {
    pub fn new(root: &'a str, stop: &'a AtomicBool, packed: Sender<Packed>) -> Self {
        let (failed, error, problems, again) = Default::default();
        Self { root, stop, packed, failed, error, problems, again }
    }

    pub fn put(&self, key: TreeKey, entry: Entry) -> Result<(), Halt> {
        self.packed.send(Packed::Entries(vec![(key, entry)]))
    }

    pub fn delete(&self, key: TreeKey) -> Result<(), Halt> {
        self.packed.send(Packed::Delete(key))
    }

    pub fn delete_below(&self, dir: RelPath) -> Result<(), Halt> {
        self.packed.send(Packed::DeleteBelow(dir))
    }

    pub fn problem(&self, problem: Problem) {
        lock(&self.problems).push(problem);
    }

    /// The directory gets a hint for the next run.
    pub fn look_again(&self, dir: &RelPath) {
        lock(&self.again).push(dir.clone());
    }

    pub fn fail_source(&self, source: SourceError) -> Halt {
        self.fail(RunError::Source { root: self.root.to_owned(), source })
    }

    /// The first error is kept, but an error of the source never hides one of the target or the machine: a root that
    /// cannot be read is passed over, everything else ends the run.
    pub fn fail(&self, error: RunError) -> Halt {
        let mut kept = lock(&self.error);
        if matches!(*kept, None | Some(RunError::Source { .. })) {
            *kept = Some(error);
        }
        drop(kept);
        self.failed.store(true, Ordering::Release);
        Halt
    }

    /// A thread panics: the others stop. Its panic is told by whoever joins it.
    fn fell(&self) {
        self.failed.store(true, Ordering::Release);
    }

    /// Some thread has; a wish to stop is no failure yet.
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// To be asked before each piece of work.
    pub fn check(&self) -> Result<(), Halt> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(self.fail(RunError::Stopped));
        }
        if self.has_failed() { Err(Halt) } else { Ok(()) }
    }
}

/// The lists stay whole whatever panics: they are only added to.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a slice needs to know.
pub(super) struct SliceContext<'a> {
    pub backup: &'a Backup,
    pub root: &'a str,
    pub slot: &'a SealingSlot,
    pub presence: &'a Presence,
    pub progress: &'a Progress,
    pub stop: &'a AtomicBool,
    pub frozen_at: Option<Timestamp>,
    pub placement: Placement,
    /// After so long the slice ends, so that a partial snapshot can be committed.
    pub time: Duration,
    /// Of a full comparison with a tree.
    pub unannounced: Option<&'a Mutex<Unannounced>>,
}

/// What a slice gave beside stored content.
pub(super) struct Slice {
    /// Anything was staged.
    pub changed: bool,
    pub problems: Vec<Problem>,
    /// Directories to be looked at again.
    pub again: Vec<RelPath>,
}

/// Goes on with a scan for a while and drains everything that was read.
pub(super) fn run_slice<N: NodeSource>(
    context: &SliceContext<'_>,
    remaining: &mut Remaining<'_, N>,
) -> Result<Slice, RunError>
where
    N::Error: std::fmt::Display,
{
    let (packed, packed_queue) = queue(PACKED);
    let (jobs, job_queue) = queue(JOBS);
    let (work, work_queue) = queue(WORK);
    let (packs, pack_queue) = queue(PACKS);
    let flow = Flow::new(context.root, context.stop, packed.clone());
    let (work_queue, pack_queue) = (Mutex::new(work_queue), Mutex::new(pack_queue));
    let deadline = Deadline::after(&context.backup.clock, context.time);
    let (unread, changed) = thread::scope(|scope| {
        let (flow, deadline, work_queue, pack_queue) = (&flow, &deadline, &work_queue, &pack_queue);
        let finish = FinishOnDrop(packed.clone());
        for _ in 0..uploader::threads(context.backup) {
            scope.spawn(move || uploader::run(context, flow, pack_queue));
        }
        let packing = scope.spawn(move || pack(context, flow, packed_queue, packs));
        let workers: Vec<_> = (0..context.backup.options.workers)
            .map(|_| {
                let packed = packed.clone();
                scope.spawn(move || run_worker(context, flow, work_queue, packed))
            })
            .collect();
        let half = remaining.unread.half.take();
        let reading = scope.spawn(move || run_reader(context, flow, deadline, half, job_queue, work));
        feed(context, flow, deadline, remaining, jobs);
        let unread = resume(reading.join());
        workers.into_iter().for_each(|worker| resume(worker.join()));
        drop(finish);
        (unread, resume(packing.join()))
    });
    if let Some(error) = flow.error.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    // who halts says why; but should nobody have: what was not read must not be forgotten
    remaining.unread = unread.map_err(|Halt| RunError::Stopped)?;
    Ok(Slice {
        changed,
        problems: flow.problems.into_inner().unwrap_or_else(PoisonError::into_inner),
        again: flow.again.into_inner().unwrap_or_else(PoisonError::into_inner),
    })
}

/// When a thread that takes from a shared queue panics, it first empties the queue to its end: else those who fill it
/// would wait for ever.
pub(super) struct EmptyOnPanic<'a, T> {
    pub flow: &'a Flow<'a>,
    pub queue: &'a Mutex<Receiver<T>>,
}

impl<T> Drop for EmptyOnPanic<'_, T> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.flow.fell();
            while lock(self.queue).recv().is_ok() {}
        }
    }
}

/// Tells the packer that everything has been sent, also when a thread panicked: else it would wait for ever.
struct FinishOnDrop(Sender<Packed>);

impl Drop for FinishOnDrop {
    fn drop(&mut self) {
        // a packer that failed is gone already
        let _ = self.0.send(Packed::Finish);
    }
}

/// A panic of a thread goes on in the run's own thread, whose owner deals with it.
fn resume<T>(joined: thread::Result<T>) -> T {
    joined.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn run_reader(
    context: &SliceContext<'_>,
    flow: &Flow<'_>,
    deadline: &Deadline,
    half: Option<HalfRead>,
    jobs: Receiver<ReadJob>,
    work: Sender<Work>,
) -> Result<Unread, Halt> {
    let backup = context.backup;
    let reader = Reader {
        chunker: backup.chunker.clone(),
        lanes: ChunkIds::new(&backup.keys.id).lanes(FrameKind::Content),
        flow,
        work,
        progress: context.progress,
        clock: backup.clock.clone(),
        deadline: deadline.clone(),
        frozen_at: context.frozen_at,
        names: Names::new(),
        batch: Batch::new(),
        placement: context.placement,
        files: 0,
        has_read: false,
    };
    reader.run(half, jobs)
}

/// Takes work until the reader ends. After a failure of any thread it still empties the queue, so that the reader is
/// never left waiting.
fn run_worker(context: &SliceContext<'_>, flow: &Flow<'_>, queue: &Mutex<Receiver<Work>>, out: Sender<Packed>) {
    let _emptied = EmptyOnPanic { flow, queue };
    let backup = context.backup;
    let sealer = FrameSealer::new(&backup.keys, context.slot, backup.options.level);
    let mut worker = match sealer {
        Ok(sealer) => Some(Worker { sealer, files: backup.keys.id.file_ids(), presence: context.presence, out }),
        Err(error) => {
            flow.fail(error.into());
            None
        }
    };
    loop {
        let next = lock(queue).recv();
        let Ok(work) = next else { return };
        if flow.check().is_err() {
            continue;
        }
        match worker.as_mut().map_or(Ok(()), |worker| worker.work(work)) {
            Ok(()) => {}
            Err(Stop::Failed(error)) => {
                flow.fail(error);
            }
            // the packer is gone and has said why
            Err(Stop::Halted) => flow.failed.store(true, Ordering::Release),
        }
    }
}

fn pack(context: &SliceContext<'_>, flow: &Flow<'_>, queue: Receiver<Packed>, packs: Sender<PackWriter>) -> bool {
    let mut packer = Packer::new(context, packs);
    match packer.run(queue) {
        Ok(()) => {}
        Err(Stop::Failed(error)) => {
            flow.fail(error);
        }
        Err(Stop::Halted) => flow.failed.store(true, Ordering::Release),
    }
    packer.has_staged()
}
