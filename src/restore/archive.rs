//! What a restore needs of archives: which packs must be thawed, asking for it, and looking how far that is.
//!
//! What must hold: finding out and looking never thaw anything; asking may be repeated. Nothing outlives the process: the
//! target knows what was asked for, so whoever starts a restore again goes on where it stopped. Within one, what was asked for is not
//! asked for again soon, whatever the target shows of it: each time costs.

use std::collections::HashSet;
use std::time::Duration;

use super::packs::{NeededPack, needed_packs};
use super::{RestoreError, RestoreOptions};
use crate::format::Manifest;
use crate::model::PackKey;
use crate::repo::{Contents, names};
use crate::store::{Access, ObjectName, Store, ThawOutcome, ThawTier};

/// As long as the slowest that is usual; a server that does not show what it thaws is asked again then.
const ASKED_FOR: Duration = Duration::from_secs(12 * 3600);

/// A pack that the restore reads, and whether it can.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReadPack {
    pub needed: NeededPack,
    pub access: Access,
    asked: Option<Asked>,
}

/// That it was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Asked {
    /// On a clock that only goes on.
    at: Duration,
    outcome: ThawOutcome,
}

impl Asked {
    fn access(self) -> Access {
        match self.outcome {
            ThawOutcome::Requested | ThawOutcome::InProgress => Access::Thawing,
            ThawOutcome::Readable => Access::Thawed { until: None },
        }
    }
}

impl ReadPack {
    pub fn new(needed: NeededPack, access: Access) -> Self {
        Self { needed, access, asked: None }
    }

    /// `shown`: by the target. Some show nothing of what was asked for.
    fn see(&mut self, shown: Access, now: Duration) {
        let recently = self.asked.filter(|asked| now.saturating_sub(asked.at) < ASKED_FOR);
        self.access = match (shown, recently) {
            (Access::NeedsThaw, Some(asked)) => asked.access(),
            (shown, _) => shown,
        };
    }

    /// That is damage, which the restore itself names, file by file.
    fn gone(&mut self) {
        self.access = Access::Now;
    }

    fn name(&self) -> ObjectName {
        let pack = &self.needed.pack;
        names::pack(&pack.machine, pack.is_tree, &pack.hash)
    }
}

/// All packs that a restore reads.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reads {
    pub packs: Vec<ReadPack>,
}

/// How far the packs are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ThawCounts {
    pub readable: usize,
    /// Asked for, not there yet.
    pub thawing: usize,
    /// Nobody asked yet, or the copy has expired.
    pub frozen: usize,
}

impl Reads {
    /// `None`: everything that is wanted reads at once. Asks the target for a list of packs; only where some are in an archive,
    /// the tree is walked.
    pub fn of_archive(
        contents: &Contents,
        manifest: &Manifest,
        options: &RestoreOptions,
    ) -> Result<Option<Self>, RestoreError> {
        if !contents.store().has_classes() || contents.listed_packs()?.values().all(|pack| pack.class.reads_at_once()) {
            return Ok(None);
        }
        Ok(Some(Self::find(contents, manifest, options)?).filter(Self::has_archived))
    }

    /// Walks the tree of what is wanted, and asks the target for each archived pack how it is.
    pub fn find(contents: &Contents, manifest: &Manifest, options: &RestoreOptions) -> Result<Self, RestoreError> {
        let needed = needed_packs(contents, manifest, options)?.packs;
        let packs = needed.into_iter().map(|needed| ReadPack::new(needed, Access::Now)).collect();
        let mut reads = Self { packs };
        reads.look(contents.store(), Duration::ZERO)?;
        Ok(reads)
    }

    pub fn has_archived(&self) -> bool {
        self.packs.iter().any(|pack| !pack.needed.class.reads_at_once())
    }

    /// Asks the target how the archived packs are.
    pub fn look(&mut self, store: &Store, now: Duration) -> Result<ThawCounts, RestoreError> {
        for pack in self.packs.iter_mut().filter(|pack| !pack.needed.class.reads_at_once()) {
            match store.head(&pack.name())? {
                Some(info) => pack.see(info.access, now),
                None => pack.gone(),
            }
        }
        Ok(self.counts())
    }

    /// Asks for a copy of everything that nobody asked for yet.
    pub fn thaw(&mut self, store: &Store, (tier, days): (ThawTier, u32), now: Duration) -> Result<(), RestoreError> {
        for pack in self.packs.iter_mut().filter(|pack| pack.access == Access::NeedsThaw) {
            match store.thaw(&pack.name(), tier, days) {
                Ok(outcome) => {
                    let asked = Asked { at: now, outcome };
                    (pack.asked, pack.access) = (Some(asked), asked.access());
                }
                Err(error) if error.is_not_found() => pack.gone(),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    pub fn readable(&self) -> HashSet<PackKey> {
        self.packs.iter().filter(|pack| pack.access.is_readable()).map(|pack| pack.needed.pack).collect()
    }

    /// What the target would refuse to give now.
    pub fn frozen(&self) -> HashSet<PackKey> {
        self.packs.iter().filter(|pack| !pack.access.is_readable()).map(|pack| pack.needed.pack).collect()
    }

    pub fn counts(&self) -> ThawCounts {
        let mut counts = ThawCounts::default();
        for pack in &self.packs {
            match pack.access {
                Access::NeedsThaw => counts.frozen += 1,
                Access::Thawing => counts.thawing += 1,
                Access::Now | Access::Thawed { .. } => counts.readable += 1,
            }
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{MachineId, ObjectHash, StorageClass};

    fn pack() -> ReadPack {
        let pack = PackKey { machine: MachineId([1; 16]), is_tree: false, hash: ObjectHash([2; 32]) };
        let needed = NeededPack { pack, class: StorageClass::DeepArchive, size: 9, frames: 1, bytes: 9 };
        ReadPack::new(needed, Access::NeedsThaw)
    }

    #[test]
    fn what_was_asked_for_is_not_asked_for_again_soon_though_the_target_shows_nothing_of_it() {
        let mut pack = pack();
        let asked = |outcome| Some(Asked { at: Duration::from_secs(5), outcome });
        let seen = |pack: &mut ReadPack, shown, now| {
            pack.see(shown, now);
            pack.access
        };
        pack.asked = asked(ThawOutcome::Requested);
        assert_eq!(seen(&mut pack, Access::NeedsThaw, Duration::from_secs(60)), Access::Thawing);
        assert_eq!(seen(&mut pack, Access::NeedsThaw, ASKED_FOR * 2), Access::NeedsThaw);
        let thawed = Access::Thawed { until: None };
        assert_eq!(seen(&mut pack, thawed, Duration::from_secs(60)), thawed);
        // as with one that a rule of the bucket has put into another tier
        pack.asked = asked(ThawOutcome::Readable);
        assert_eq!(seen(&mut pack, Access::NeedsThaw, Duration::from_secs(60)), thawed);
    }
}
