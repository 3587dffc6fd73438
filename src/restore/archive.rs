//! What a restore needs of archives: which packs must be thawed, asking for it, and looking how far that is.
//!
//! What must hold: finding out and looking never thaw anything; asking may be repeated. Nothing is remembered here: the
//! target knows what was asked for, so whoever starts a restore again goes on where it stopped.

use super::packs::{NeededPack, needed_packs};
use super::{RestoreError, RestoreOptions};
use crate::format::Manifest;
use crate::repo::{Contents, names};
use crate::store::{Access, ObjectName, Store, ThawOutcome, ThawTier};

/// A pack that the restore reads, and whether it can.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReadPack {
    pub needed: NeededPack,
    pub access: Access,
}

impl ReadPack {
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
        let packs = needed.into_iter().map(|needed| ReadPack { needed, access: Access::Now }).collect();
        let mut reads = Self { packs };
        reads.look(contents.store())?;
        Ok(reads)
    }

    pub fn has_archived(&self) -> bool {
        self.packs.iter().any(|pack| !pack.needed.class.reads_at_once())
    }

    /// Asks the target how the archived packs are.
    pub fn look(&mut self, store: &Store) -> Result<ThawCounts, RestoreError> {
        for pack in self.packs.iter_mut().filter(|pack| !pack.needed.class.reads_at_once()) {
            // one that is gone is damage, which the restore itself names
            if let Some(info) = store.head(&pack.name())? {
                pack.access = info.access;
            }
        }
        Ok(self.counts())
    }

    /// Asks for a copy of everything that nobody asked for yet.
    pub fn thaw(&mut self, store: &Store, tier: ThawTier, days: u32) -> Result<(), RestoreError> {
        for pack in self.packs.iter_mut().filter(|pack| pack.access == Access::NeedsThaw) {
            pack.access = match store.thaw(&pack.name(), tier, days)? {
                ThawOutcome::Requested | ThawOutcome::InProgress => Access::Thawing,
                ThawOutcome::Readable => Access::Thawed { until: None },
            };
        }
        Ok(())
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
