//! Going through all versions below the repository's folder, page by page. Every step may be repeated, and what was done stays done.

use super::plan::{Fate, Tally, fate, is_meant};
use crate::model::Timestamp;
use crate::store::{Disposition, Store, StoreError, Version, Versions, Walk};

/// What [`undelete`] would do. Changes nothing.
pub fn survey(store: &Store, before: Option<Timestamp>, mut seen: impl FnMut(&Tally)) -> Result<Tally, StoreError> {
    let mut tally = Tally::default();
    store.each_versions("", |versions| {
        if is_meant(&versions) {
            tally.count(fate(&versions, before), &versions);
            seen(&tally);
        }
        Ok::<_, StoreError>(Walk::On)
    })?;
    Ok(tally)
}

/// Takes delete markers away and puts back what was stored first. Deletes no version with data; durable on return. After an error what
/// was done stays, and the next call goes on.
pub fn undelete(store: &Store, before: Option<Timestamp>, seen: impl FnMut(&Tally)) -> Result<Tally, StoreError> {
    let mut work = Work { store, tally: Tally::default(), markers: Vec::new(), seen };
    store.each_versions("", |versions| {
        if is_meant(&versions) {
            work.bring_back(versions, before)?;
        }
        Ok::<_, StoreError>(Walk::On)
    })?;
    work.remove_markers()?;
    Ok(work.tally)
}

struct Work<'a, F> {
    store: &'a Store,
    tally: Tally,
    /// To be removed together.
    markers: Vec<Version>,
    seen: F,
}

impl<F: FnMut(&Tally)> Work<'_, F> {
    fn bring_back(&mut self, versions: Versions, before: Option<Timestamp>) -> Result<(), StoreError> {
        let fate = match fate(&versions, before) {
            Fate::PutBack => self.put_back(&versions)?,
            fate => fate,
        };
        self.tally.count(fate, &versions);
        (self.seen)(&self.tally);
        if fate == Fate::Uncover {
            self.uncover(versions.markers)?;
        }
        Ok(())
    }

    /// All of them: one that is older than the object hides nothing.
    fn uncover(&mut self, markers: Vec<Version>) -> Result<(), StoreError> {
        for marker in markers {
            self.markers.push(marker);
            if self.markers.len() == Store::MARKERS {
                self.remove_markers()?;
            }
        }
        Ok(())
    }

    fn remove_markers(&mut self) -> Result<(), StoreError> {
        self.store.remove_markers(&self.markers)?;
        self.markers.clear();
        Ok(())
    }

    fn put_back(&self, versions: &Versions) -> Result<Fate, StoreError> {
        let Some(first) = versions.first() else { return Ok(Fate::Lost) };
        let copied = match self.store.put_back(first, versions.is_deleted()) {
            Err(error) if error.disposition() == Disposition::Denied && may_be_hidden(versions) => {
                // the bucket's policy lets nobody replace: with a marker over it the name is free
                self.store.delete(&versions.name)?;
                self.store.put_back(first, true)
            }
            answer => answer,
        };
        match copied {
            Ok(()) => Ok(Fate::PutBack),
            Err(StoreError::Archived { .. }) => Ok(Fate::Frozen),
            Err(error) => Err(error),
        }
    }
}

/// Deleting a name lays a marker over it. What was stored while no versions were kept (`null`) it would delete for good.
fn may_be_hidden(versions: &Versions) -> bool {
    !versions.is_deleted() && versions.stored.iter().all(|version| version.id != "null")
}
