//! The keys that a machine's snapshots are signed with: a recovery makes a new one, and from its first snapshot on serials never go
//! down. One that does was made by whoever still has an old key: a computer that was given away or stolen, or that runs on.

use std::fmt;

use crate::crypto::Serial;
use crate::format::Manifest;
use crate::model::Seq;

/// A snapshot that is signed with a key that was replaced before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OldKey {
    snapshot: (Seq, Serial),
    /// An earlier one, with a later key.
    before: (Seq, Serial),
}

impl OldKey {
    /// `before` is an earlier snapshot of the same machine.
    pub fn of(manifest: &Manifest, before: &Manifest) -> Option<Self> {
        Self::between((manifest.seq, manifest.serial), (before.seq, before.serial))
    }

    fn between(snapshot: (Seq, Serial), before: (Seq, Serial)) -> Option<Self> {
        (snapshot.1 < before.1).then_some(Self { snapshot, before })
    }
}

impl fmt::Display for OldKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ((seq, serial), (before, later)) = (self.snapshot, self.before);
        write!(f, "snapshot {seq} was signed with key {serial} of its machine, ")?;
        write!(f, "which a recovery had replaced (snapshot {before} has key {later}): who made it had the old key")
    }
}

/// All snapshots of a machine, one after the other.
#[derive(Default)]
pub struct Succession {
    newest: Option<(Seq, Serial)>,
}

impl Succession {
    /// The next one, in ascending order.
    pub fn next(&mut self, manifest: &Manifest) -> Option<OldKey> {
        let this = (manifest.seq, manifest.serial);
        let old = self.newest.and_then(|newest| OldKey::between(this, newest));
        if old.is_none() {
            self.newest = Some(this);
        }
        old
    }
}
