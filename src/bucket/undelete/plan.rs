//! What is to be done for each object. Pure.

use std::fmt;

use serde::Serialize;

use crate::bucket::PROBES;
use crate::model::Timestamp;
use crate::status::{bytes, counted};
use crate::store::Versions;

/// What becomes of an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fate {
    /// What was stored first is there to be read.
    Right,
    /// It is once the markers are gone.
    Uncover,
    /// A copy of what was stored first must be put over something else.
    PutBack,
    /// The same, but it must be thawed before it can be copied.
    Frozen,
    /// The target keeps nothing of it.
    Lost,
    /// It was not there at the time that counts: stored later, or deleted before.
    LeftAlone,
}

/// How many objects each fate has; what is done, or would be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Tally {
    pub right: u64,
    pub uncovered: u64,
    pub put_back: u64,
    /// Of what was put back: it is paid for beside what stays under it.
    pub put_back_bytes: u64,
    pub frozen: u64,
    pub lost: u64,
    pub left_alone: u64,
}

/// Objects are written once, so what was stored first is right, whatever came later. `before`: only what was there then is brought back.
pub(super) fn fate(versions: &Versions, before: Option<Timestamp>) -> Fate {
    let Some(first) = versions.first() else { return Fate::Lost };
    if before.is_some_and(|before| !was_there(versions, before)) {
        return Fate::LeftAlone;
    }
    match (versions.is_first_on_top(), versions.is_deleted()) {
        (true, false) => Fate::Right,
        (true, true) => Fate::Uncover,
        (false, _) if first.data.as_ref().is_some_and(|data| !data.class.reads_at_once()) => Fate::Frozen,
        (false, _) => Fate::PutBack,
    }
}

/// Of a marker and a version of the same second the version counts: what is brought back in doubt costs little.
fn was_there(versions: &Versions, before: Timestamp) -> bool {
    let last_of = |all: &[crate::store::Version]| all.iter().map(|one| one.since).filter(|since| *since < before).max();
    last_of(&versions.stored).is_some_and(|stored| last_of(&versions.markers).is_none_or(|marked| stored >= marked))
}

/// What a check of the target left is no backup.
pub(super) fn is_meant(versions: &Versions) -> bool {
    versions.name.as_str().split('/').next() != Some(PROBES)
}

impl Tally {
    pub(super) fn count(&mut self, fate: Fate, versions: &Versions) {
        match fate {
            Fate::Right => self.right += 1,
            Fate::Uncover => self.uncovered += 1,
            Fate::PutBack => {
                self.put_back += 1;
                self.put_back_bytes +=
                    versions.first().and_then(|first| first.data.as_ref()).map_or(0, |data| data.size);
            }
            Fate::Frozen => self.frozen += 1,
            Fate::Lost => self.lost += 1,
            Fate::LeftAlone => self.left_alone += 1,
        }
    }

    /// There is something to do.
    pub fn has_work(&self) -> bool {
        self.uncovered + self.put_back > 0
    }

    /// Something cannot be brought back, or not by this.
    pub fn leaves_something(&self) -> bool {
        self.frozen + self.lost > 0
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let objects = |count| counted(count, "object", "objects");
        write!(f, "  {} as stored", objects(self.right))?;
        let put_back =
            format!("replaced: a copy of what was stored first goes on top ({})", bytes(self.put_back_bytes));
        for (count, what) in [
            (self.uncovered, "deleted: the delete markers are taken away"),
            (self.put_back, put_back.as_str()),
            (
                self.frozen,
                "replaced, and archived: thaw the oldest version first (docs/disaster.md), then run this again",
            ),
            (self.lost, "deleted, and no version is left: lost"),
            (self.left_alone, "stored after that time, or deleted before it: left alone"),
        ] {
            if count > 0 {
                write!(f, "\n  {} {what}", objects(count))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::StorageClass;
    use crate::store::{ObjectName, Version, VersionData};

    const NAME: &str = "machines/x/packs/ab";

    fn at(secs: i64) -> Timestamp {
        Timestamp::new(secs, 0)
    }

    fn version(since: i64, etag: Option<&str>, class: StorageClass) -> Version {
        let data = etag.map(|etag| VersionData { size: 7, class, etag: etag.to_owned() });
        Version {
            name: ObjectName::parse(NAME).unwrap(),
            id: since.to_string(),
            data,
            is_current: false,
            since: at(since),
        }
    }

    /// `stored` and `markers` from the newest to the oldest; the newest of all is current.
    fn versions(stored: &[(i64, &str)], markers: &[i64]) -> Versions {
        let mut stored: Vec<_> =
            stored.iter().map(|(since, etag)| version(*since, Some(etag), StorageClass::Standard)).collect();
        let mut markers: Vec<_> = markers.iter().map(|since| version(*since, None, StorageClass::Standard)).collect();
        let newest = stored.iter_mut().chain(&mut markers).max_by_key(|version| version.since);
        newest.unwrap().is_current = true;
        Versions { name: ObjectName::parse(NAME).unwrap(), stored, markers }
    }

    #[test]
    fn what_was_stored_first_is_right_whatever_came_later() {
        for (stored, markers, expected) in [
            (&[(1, "a")][..], &[][..], Fate::Right),
            (&[(1, "a")], &[2], Fate::Uncover),
            (&[(1, "a")], &[3, 2], Fate::Uncover),
            (&[(2, "b"), (1, "a")], &[], Fate::PutBack),
            (&[(2, "b"), (1, "a")], &[3], Fate::PutBack),
            // a marker made the name free again
            (&[(3, "b"), (1, "a")], &[2], Fate::PutBack),
            // put back before
            (&[(3, "a"), (2, "b"), (1, "a")], &[], Fate::Right),
            (&[(3, "a"), (2, "b"), (1, "a")], &[4], Fate::Uncover),
            (&[], &[2], Fate::Lost),
        ] {
            assert_eq!(fate(&versions(stored, markers), None), expected, "{stored:?} {markers:?}");
        }
    }

    #[test]
    fn with_a_time_only_what_was_there_then_is_brought_back() {
        for (stored, markers, before, expected) in [
            (&[(1, "a")][..], &[5][..], 5, Fate::Uncover),
            (&[(1, "a")], &[5], 6, Fate::LeftAlone),
            (&[(1, "a")], &[5], 1, Fate::LeftAlone),
            (&[(7, "b"), (1, "a")], &[], 5, Fate::PutBack),
            (&[(7, "b"), (1, "a")], &[3], 5, Fate::LeftAlone),
            (&[(1, "a")], &[9, 1], 5, Fate::Uncover),
        ] {
            assert_eq!(fate(&versions(stored, markers), Some(at(before))), expected, "{stored:?} {markers:?} {before}");
        }
    }

    #[test]
    fn what_is_archived_can_be_uncovered_but_not_copied() {
        let frozen = |stored: Vec<Version>, markers| Versions { stored, ..versions(&[], markers) };
        let first = version(1, Some("a"), StorageClass::DeepArchive);
        assert_eq!(fate(&frozen(vec![first.clone()], &[2]), None), Fate::Uncover);
        let other = version(2, Some("b"), StorageClass::Standard);
        assert_eq!(fate(&frozen(vec![other, first], &[3]), None), Fate::Frozen);
    }

    #[test]
    fn a_tally_tells_what_there_is_and_nothing_else() {
        let mut tally = Tally::default();
        tally.count(Fate::Right, &versions(&[(1, "a")], &[]));
        assert_eq!(tally.to_string(), "  1 object as stored");
        tally.count(Fate::PutBack, &versions(&[(2, "b"), (1, "a")], &[]));
        tally.count(Fate::Lost, &versions(&[], &[2]));
        let text = tally.to_string();
        assert!(text.contains("1 object replaced: a copy of what was stored first goes on top (7 B)"), "{text}");
        assert!(text.contains("no version is left: lost") && !text.contains("archived"), "{text}");
        assert!(tally.has_work() && tally.leaves_something());
    }
}
