//! What a target that keeps versions has of objects beside what is read: who deletes or replaces an object there only hides it.
//!
//! Objects are written once and never changed, so of several versions the first is the right one.

use std::fmt;

use time::OffsetDateTime;
use time::macros::format_description;

use super::{ObjectName, Store, StoreError};
use crate::model::{StorageClass, Timestamp};

/// A version of an object, or a delete marker.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Version {
    pub name: ObjectName,
    /// As the target names it.
    pub id: String,
    /// `None`: a delete marker.
    pub data: Option<VersionData>,
    /// It is what a reader of the name gets: nothing, if it is a marker.
    pub is_current: bool,
    /// When it was stored, to the second.
    pub since: Timestamp,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VersionData {
    pub size: u64,
    pub class: StorageClass,
    /// The same for the same bytes stored the same way, and for no others.
    pub etag: String,
}

/// Where a list of versions goes on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VersionMark {
    pub key: String,
    pub id: Option<String>,
}

/// A page of a list of versions: by name, the versions of a name from the newest to the oldest, and so its markers.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct VersionPage {
    pub versions: Vec<Version>,
    pub next: Option<VersionMark>,
}

/// All that a target has of one name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Versions {
    pub name: ObjectName,
    /// Those with data, from the newest to the oldest.
    pub stored: Vec<Version>,
    /// From the newest to the oldest; how they lie between the others only their times tell.
    pub markers: Vec<Version>,
}

/// An object that is not to be read any more as it was stored, while the target keeps it so.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hidden {
    pub name: ObjectName,
    /// When that began.
    pub since: Timestamp,
    /// Else it was replaced.
    pub is_deleted: bool,
}

/// What became of it, and when: `deleted on 2026-11-22 07:00:12 UTC`.
impl fmt::Display for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second] UTC");
        let since = OffsetDateTime::from_unix_timestamp(self.since.secs).ok().and_then(|time| time.format(format).ok());
        let what = if self.is_deleted { "deleted" } else { "replaced" };
        write!(f, "{what} on {}", since.unwrap_or_else(|| format!("@{}", self.since.secs)))
    }
}

impl Versions {
    fn new(name: ObjectName) -> Self {
        Self { name, stored: Vec::new(), markers: Vec::new() }
    }

    /// The version that was stored first.
    pub fn first(&self) -> Option<&Version> {
        self.stored.last()
    }

    /// Readers of the name find nothing.
    pub fn is_deleted(&self) -> bool {
        self.markers.iter().any(|marker| marker.is_current)
    }

    /// Without markers, readers would get what was stored first.
    pub fn is_first_on_top(&self) -> bool {
        match (self.stored.first(), self.stored.last()) {
            (Some(newest), Some(first)) => newest.data == first.data,
            _ => false,
        }
    }

    /// `None` where what was stored first is there to be read, or is kept no more.
    pub fn hidden(&self) -> Option<Hidden> {
        self.first()?;
        let hidden =
            |version: &Version, is_deleted| Hidden { name: self.name.clone(), since: version.since, is_deleted };
        match self.markers.iter().find(|marker| marker.is_current) {
            Some(marker) => Some(hidden(marker, true)),
            None if self.is_first_on_top() => None,
            None => self.stored.iter().rev().nth(1).map(|younger| hidden(younger, false)),
        }
    }

    fn take(&mut self, version: Version) {
        match version.data {
            Some(_) => self.stored.push(version),
            None => self.markers.push(version),
        }
    }
}

/// Puts together what belongs to one name, also where a page ends within it.
#[derive(Default)]
struct Grouping {
    open: Option<Versions>,
}

impl Grouping {
    /// The names that are complete with this version, which begins another one.
    fn push(&mut self, version: Version) -> Option<Versions> {
        let is_new = self.open.as_ref().is_none_or(|open| open.name != version.name);
        let complete = if is_new { self.open.replace(Versions::new(version.name.clone())) } else { None };
        if let Some(open) = &mut self.open {
            open.take(version);
        }
        complete
    }
}

/// Whether a list goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Walk {
    On,
    Ended,
}

impl Store {
    /// All names that begin with the text `prefix`, one after the other, until `visit` has seen enough. Markers may be removed and
    /// versions added meanwhile, to names that were visited. Nothing is visited where a target keeps no versions.
    ///
    /// What is held in memory is a page, and what the target has of one name.
    pub fn each_versions<E: From<StoreError>>(
        &self,
        prefix: &str,
        mut visit: impl FnMut(Versions) -> Result<Walk, E>,
    ) -> Result<(), E> {
        let (mut grouping, mut next) = (Grouping::default(), None);
        loop {
            let page = self.versions(prefix, next.as_ref())?;
            for version in page.versions {
                if let Some(complete) = grouping.push(version)
                    && visit(complete)? == Walk::Ended
                {
                    return Ok(());
                }
            }
            next = page.next;
            if next.is_none() {
                return grouping.open.map_or(Ok(()), |last| visit(last).map(drop));
            }
        }
    }

    /// The object of this name, or the first one below this folder (`…/`), that was deleted or replaced while the target keeps what it
    /// was; `None` where there is none, or the target keeps no versions. Needs a right of its own.
    pub fn hidden(&self, name_or_folder: &str) -> Result<Option<Hidden>, StoreError> {
        let is_meant = |name: &ObjectName| name_or_folder.ends_with('/') || name.as_str() == name_or_folder;
        let mut found = None;
        self.each_versions(name_or_folder, |versions| {
            found = versions.hidden().filter(|_| is_meant(&versions.name));
            Ok::<_, StoreError>(if found.is_some() { Walk::Ended } else { Walk::On })
        })?;
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(name: &str, since: i64, etag: Option<&str>) -> Version {
        let data = etag.map(|etag| VersionData { size: 1, class: StorageClass::Standard, etag: etag.to_owned() });
        let name = ObjectName::parse(name).unwrap();
        Version { name, id: format!("v{since}"), data, is_current: false, since: Timestamp::new(since, 0) }
    }

    fn current(version: Version) -> Version {
        Version { is_current: true, ..version }
    }

    fn grouped(versions: Vec<Version>) -> Vec<Versions> {
        let mut grouping = Grouping::default();
        let mut all: Vec<_> = versions.into_iter().filter_map(|version| grouping.push(version)).collect();
        all.extend(grouping.open);
        all
    }

    fn hidden(versions: Vec<Version>) -> Option<(i64, bool)> {
        let [of_one] = &grouped(versions)[..] else { panic!("it is one name") };
        of_one.hidden().map(|hidden| (hidden.since.secs, hidden.is_deleted))
    }

    #[test]
    fn what_became_of_an_object_is_told_with_its_time() {
        let [of_one] = &grouped(vec![version("a", 1, Some("x")), current(version("a", 1_795_330_812, None))])[..]
        else {
            panic!("it is one name")
        };
        assert_eq!(of_one.hidden().unwrap().to_string(), "deleted on 2026-11-22 07:00:12 UTC");
    }

    #[test]
    fn versions_of_a_name_are_put_together() {
        let all = grouped(vec![version("a", 3, None), version("a", 1, Some("x")), version("b", 2, Some("y"))]);
        let shape: Vec<_> = all.iter().map(|of| (of.name.as_str(), of.stored.len(), of.markers.len())).collect();
        assert_eq!(shape, [("a", 1, 1), ("b", 1, 0)]);
        assert!(grouped(vec![]).is_empty());
    }

    #[test]
    fn what_was_stored_first_is_hidden_by_a_marker_or_by_other_bytes_and_by_nothing_else() {
        let first = || version("a", 1, Some("x"));
        assert_eq!(hidden(vec![current(first())]), None);
        assert_eq!(hidden(vec![first(), current(version("a", 5, None))]), Some((5, true)));
        let replaced = || version("a", 3, Some("y"));
        assert_eq!(hidden(vec![current(version("a", 4, Some("z"))), replaced(), first()]), Some((3, false)));
        assert_eq!(hidden(vec![replaced(), first(), current(version("a", 9, None))]), Some((9, true)));
        // brought back already
        assert_eq!(hidden(vec![current(version("a", 8, Some("x"))), replaced(), first()]), None);
        // the marker was there before the object
        assert_eq!(hidden(vec![current(first()), version("a", 0, None)]), None);
        // nothing is left of it
        assert_eq!(hidden(vec![current(version("a", 5, None))]), None);
    }
}
