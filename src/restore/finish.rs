//! What waits until all files are there: further names of files, flags that forbid changes, and directories.

use std::sync::Arc;

use super::batch::Item;
use super::context::{Context, ItemError};
use super::existing::{Begun, Making, begin};
use super::later::Later;
use super::links::LinkKey;
use super::reading::Reading;
use super::report::Count;
use super::worker::Worker;
use super::{Overwrite, RestoreError};
use crate::model::{Entry, EntryKind, Problem, ProblemCode, RelPath, with_causes};
use crate::source::{DestDir, Destination, DestinationError, LinkSource, MetadataWriter};

/// Gives files their further names.
pub(super) fn links(context: &Context<'_>, links: Later) -> Result<(), RestoreError> {
    let mut worker = Worker::new(context);
    let mut kept: Option<Arc<DestDir>> = None;
    links.drain(|path, entry| {
        if context.is_stopped() {
            return Ok(());
        }
        let (parent, name) = path.split();
        let dir = match kept.take().filter(|dir| *dir.path() == parent) {
            Some(dir) => Ok(dir),
            None => context.destination.open_dir(&parent).map(Arc::new),
        };
        match dir {
            Ok(dir) => {
                link(&mut worker, &Item { dir: dir.clone(), name: name.to_vec(), entry });
                kept = Some(dir);
            }
            Err(error) => context.failed(&path, error.into()),
        }
        Ok(())
    })
}

fn link(worker: &mut Worker<'_, '_>, item: &Item) {
    let context = worker.context;
    let source = LinkKey::of(&item.entry).and_then(|key| context.links.find(&key));
    // the first name could not be restored or was to stay as it is: this one becomes the first
    let Some(source) = source else { return worker.restore(item, &mut Reading::plain(context)) };
    match link_to(worker, item, &source) {
        Ok(Linked::Done) => {}
        Ok(Linked::Apart) => {
            let message = format!("it is not another name of {:?} as it was", source.path());
            return apart(worker, item, message, "restore with --overwrite changed if they are to be one file again");
        }
        Err(ItemError::Destination(error @ DestinationError::NoLink { .. })) => {
            let remedy = "restore to one filesystem that keeps hard links if they are to be one file again";
            return apart(worker, item, with_causes(&error), remedy);
        }
        Err(error) => context.failed(&item.path(), error),
    }
    context.progress.bytes(item.entry.size);
    context.progress.entry();
}

/// What cannot be one file with its first name is worth having as a file of its own; names that come after it try to be its.
fn apart(worker: &mut Worker<'_, '_>, item: &Item, why: String, remedy: &str) {
    worker.restore(item, &mut Reading::plain(worker.context));
    let message = format!("{why}; it is a file of its own");
    worker.context.problem(&item.path(), ProblemCode::Metadata, message, remedy);
}

enum Linked {
    /// It is linked, or something else stands there and stays.
    Done,
    /// What the snapshot has stands there as a file of its own, and stays.
    Apart,
}

fn link_to(worker: &Worker<'_, '_>, item: &Item, source: &LinkSource) -> Result<Linked, ItemError> {
    let context = worker.context;
    if is_linked(context, item, source)? {
        context.count(Count::Skipped);
        return Ok(Linked::Done);
    }
    let overwrite = match context.options.overwrite {
        // the right content in a file of its own is not what the snapshot has
        Overwrite::Changed => Overwrite::Always,
        other => other,
    };
    match begin(context, overwrite, item, Making::Direct, |name| make_link(context, item, name, source))? {
        Begun::New(staged) => {
            staged.publish(context, item)?;
            worker.protect_later(item)?;
            context.count(Count::HardLink);
        }
        Begun::Complete(_) => return Ok(Linked::Apart),
        Begun::Kept => context.count(Count::Kept),
    }
    Ok(Linked::Done)
}

/// A file that is protected by flags gets no further name; it has lost them if it may be replaced.
fn make_link(context: &Context<'_>, item: &Item, name: &[u8], source: &LinkSource) -> Result<(), DestinationError> {
    match item.dir.hard_link(name, source) {
        Err(error) if error.is_by_flags() && context.options.overwrite != Overwrite::Never => {
            let (parent, first) = source.path().split();
            context.destination.open_dir(&parent)?.unprotect(first)?;
            item.dir.hard_link(name, source)
        }
        done => done,
    }
}

/// Has an earlier restore made the link?
fn is_linked(context: &Context<'_>, item: &Item, source: &LinkSource) -> Result<bool, DestinationError> {
    let Some(found) = item.dir.stat(&item.name)? else { return Ok(false) };
    let (parent, name) = source.path().split();
    let first = context.destination.open_dir(&parent)?.stat(name)?;
    Ok(first.is_some_and(|first| first.same_inode(&found)))
}

/// What is to be told of the paths that it stands with.
pub(super) type Told<'t> = &'t mut dyn FnMut(&RelPath, Result<Vec<Problem>, DestinationError>);

/// Immutable and append-only files.
pub(super) fn flags(
    destination: &Destination,
    metadata: &MetadataWriter,
    flagged: Later,
    told: Told<'_>,
) -> Result<(), RestoreError> {
    flagged.drain(|path, entry| {
        if entry.kind == EntryKind::File {
            told(&path, protect(destination, metadata, &path, &entry));
        }
        Ok(())
    })
}

fn protect(
    destination: &Destination,
    metadata: &MetadataWriter,
    path: &RelPath,
    entry: &Entry,
) -> Result<Vec<Problem>, DestinationError> {
    let (parent, name) = path.split();
    let file = destination.open_dir(&parent)?.open_file(name)?;
    Ok(metadata.protect(file.target(), entry))
}

/// Directories above what was wanted, which lost flags for a while.
pub(super) fn protect_again(destination: &Destination, taken: Vec<(RelPath, u32)>, told: Told<'_>) {
    for (path, flags) in taken {
        told(&path, destination.open_dir(&path).map(|dir| dir.protect_self(flags)));
    }
}

/// Deepest first: what is done in a directory changes its times, and its mode may forbid to go into it.
pub(super) fn dirs(
    destination: &Destination,
    metadata: &mut MetadataWriter,
    dirs: Later,
    told: Told<'_>,
) -> Result<(), RestoreError> {
    dirs.drain_back(|path, entry| {
        let done = destination.open_dir(&path).and_then(|dir| {
            let mut problems = metadata.apply(dir.target(), &entry)?;
            problems.extend(metadata.protect(dir.target(), &entry));
            Ok(problems)
        });
        told(&path, done);
        Ok(())
    })
}
