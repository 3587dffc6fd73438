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
use crate::model::{Entry, EntryKind, Problem, RelPath};
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
    if let Err(error) = link_to(context, item, &source) {
        context.failed(&item.path(), error);
    }
    context.progress.bytes(item.entry.size);
    context.progress.entry();
}

fn link_to(context: &Context<'_>, item: &Item, source: &LinkSource) -> Result<(), ItemError> {
    if is_linked(context, item, source)? {
        context.count(Count::Skipped);
        return Ok(());
    }
    let overwrite = match context.options.overwrite {
        // the right content in a file of its own is not what the snapshot has
        Overwrite::Changed => Overwrite::Always,
        other => other,
    };
    match begin(context, overwrite, item, Making::Direct, |name| item.dir.hard_link(name, source))? {
        Begun::New(staged) => {
            staged.publish(context, item)?;
            context.count(Count::HardLink);
        }
        Begun::Complete(_) => context.count(Count::Skipped),
        Begun::Kept => context.count(Count::Kept),
    }
    Ok(())
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
