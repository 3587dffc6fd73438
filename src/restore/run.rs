//! Executing a plan.

use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex};

use super::batch::Job;
use super::context::Context;
use super::flushing::{Asker, asker};
use super::places::Refused;
use super::plan::{Plan, PlannedRoot};
use super::progress::Progress;
use super::report::{Collector, RestoreReport};
use super::shares::{QUEUED, Shares};
use super::walk::{Waiting, Walk};
use super::worker::Worker;
use super::{RestoreError, RestoreOptions, RestoreTo, finish, places};
use crate::format::Manifest;
use crate::model::{ProblemCode, RelPath};
use crate::repo::Contents;
use crate::source::{Destination, DestinationError, open_file_limit};

/// Restores. Files that cannot be restored are problems in the report; an error means that it ended early, and may be
/// started again.
pub fn run(
    contents: &Contents,
    manifest: &Manifest,
    options: RestoreOptions,
    progress: &Progress,
) -> Result<RestoreReport, RestoreError> {
    let plan = Plan::new(manifest, &options)?;
    places::refuse_repository(contents.store(), &plan.roots)?;
    plan.look_for_all(contents)?;
    let collector = Collector::default();
    progress.expect(plan.expected());
    let mut refused = Refused::new(&plan);
    for root in &plan.roots {
        match open_destination(root, &options) {
            Ok(destination) => {
                let context = Context::new(contents, &options, root, destination, (&collector, progress));
                restore_root(context)?;
            }
            Err(error) => {
                collector.problem(refused.problem(root, error)?);
                progress.problem();
            }
        }
    }
    Ok(collector.finish())
}

/// In place, a root that is only missing is made; a disk that is not mounted would be written beside otherwise, so its
/// parent must be there. Nobody else restores there until this one has ended: what one has not finished would be the other's to remove.
fn open_destination(root: &PlannedRoot, options: &RestoreOptions) -> Result<Destination, RestoreError> {
    let opened = match options.to {
        RestoreTo::Dir(_) => Destination::create(&root.place),
        RestoreTo::InPlace => Destination::create_last(&root.place),
    };
    let destination = opened.and_then(|destination| {
        destination.refuse_read_only(&root.place)?;
        destination.locked(&root.place)
    });
    destination.map_err(RestoreError::from_destination)
}

fn restore_root(context: Context<'_>) -> Result<(), RestoreError> {
    note_gaps(&context);
    let Waiting { links, dirs, unprotected } = write_files(&context);
    if !context.is_stopped() {
        finish::links(&context, links)?;
    }
    let destination = context.destination.clone();
    let tell = |context: &Context<'_>, path: &RelPath, told: Result<Vec<_>, DestinationError>| match told {
        Ok(problems) => context.metadata_problems(path, problems),
        Err(error) => context.failed(path, error.into()),
    };
    let flagged = context.take_flagged();
    let mut metadata = context.metadata_writer();
    if !context.is_stopped() {
        finish::flags(&destination, &metadata, flagged, &mut |path, told| tell(&context, path, told))?;
        // what is in a directory that looks complete is on the disk
        context.flushing.note(destination.sync());
        finish::dirs(&destination, &mut metadata, dirs, &mut |path, told| tell(&context, path, told))?;
        context.flushing.note(destination.sync());
    }
    // also when it ends early: no restore would do it after this one
    finish::protect_again(&destination, unprotected, &mut |path, told| tell(&context, path, told));
    context.into_result()
}

/// Where the target is far, a worker waits for most of its time; each has one request under way, or a few.
const FAR_WORKERS: usize = 8;

/// The walk in this thread, the workers in theirs, and one that flushes beside them.
fn write_files(context: &Context<'_>) -> Waiting {
    let least = if context.contents.is_far() { FAR_WORKERS } else { 1 };
    let shares = Shares::of(open_file_limit(), context.options.workers.max(least));
    let (jobs, queue) = sync_channel::<Job>(shares.workers * QUEUED);
    let queue = Arc::new(Mutex::new(queue));
    let (asker, asked) = asker();
    std::thread::scope(|scope| {
        scope.spawn(move || context.flushing.run(&asked, || context.is_stopped(), || context.destination.sync()));
        for _ in 0..shares.workers {
            let (queue, asker) = (queue.clone(), asker.clone());
            scope.spawn(move || work(context, &queue, &asker));
        }
        // when the workers end, the queue is gone, and the walk does not wait for it; nor does anybody flush any more
        drop((queue, asker));
        Walk::new(context, jobs, shares).run()
    })
}

fn work(context: &Context<'_>, queue: &Mutex<Receiver<Job>>, asker: &Asker) {
    let mut worker = Worker::new(context);
    loop {
        let next = queue.lock().expect("a receiver does not panic").recv();
        match next {
            Ok(job) => {
                worker.job(job);
                context.flushing.ask_if_due(asker);
            }
            Err(_) => return,
        }
    }
}

/// What the manifest says that the snapshot lacks.
fn note_gaps(context: &Context<'_>) {
    const REMEDY: &str = "choose a later snapshot if there is one";
    let root = RelPath::root();
    if context.root.tree.is_none() {
        context.problem(&root, ProblemCode::NotCovered, "the snapshot has nothing of this root", REMEDY);
    } else if !context.root.complete {
        let message = "the snapshot is partial: it was made before all of this root had been stored";
        context.problem(&root, ProblemCode::NotCovered, message, REMEDY);
    }
}
