//! Which pack a frame goes to, how large packs become, and in which class they are kept. Pure.
//!
//! Trees, index objects and manifests are always in a class that reads at once.

use super::agent::BackupOptions;
use crate::journal::PackKind;
use crate::model::StorageClass;

/// A kind of pack that is open at the same time as the others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    Tree,
    Data,
    /// The content of one huge file, by the number that its reader gave it.
    Alone(u64),
}

/// What holds for the content of one root.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placement {
    class: StorageClass,
    pack_bytes: u64,
    archive_from_bytes: u64,
    alone_from_bytes: u64,
}

impl Placement {
    pub(super) fn new(class: StorageClass, options: &BackupOptions) -> Self {
        let pack_bytes = if class.reads_at_once() { options.pack_bytes } else { options.archive_pack_bytes };
        let BackupOptions { archive_from_bytes, alone_from_bytes, .. } = *options;
        Self { class, pack_bytes, archive_from_bytes, alone_from_bytes }
    }

    /// A pack is closed when it holds this much.
    pub(super) fn pack_bytes(&self) -> u64 {
        self.pack_bytes
    }

    /// Has a file of this size packs of its own?
    pub(super) fn is_alone(&self, size: u64) -> bool {
        !self.class.reads_at_once() && size >= self.alone_from_bytes
    }

    /// Of a complete pack of `size` bytes. A small one waits in the arena, where it reads at once.
    pub(super) fn class_of(&self, kind: PackKind, size: u64) -> StorageClass {
        match kind {
            PackKind::Data if !self.is_small(size) => self.class,
            PackKind::Data | PackKind::Tree => StorageClass::Standard,
        }
    }

    /// The class that a complete pack is meant for, where it has to wait until it can go there.
    pub(super) fn meant_for(&self, kind: PackKind, size: u64) -> Option<StorageClass> {
        (kind == PackKind::Data && self.is_small(size)).then_some(self.class)
    }

    fn is_small(&self, size: u64) -> bool {
        !self.class.reads_at_once() && size < self.archive_from_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(class: StorageClass) -> Placement {
        Placement::new(class, &BackupOptions::default())
    }

    #[test]
    fn small_packs_stay_out_of_the_archive() {
        let deep = of(StorageClass::DeepArchive);
        assert_eq!(deep.class_of(PackKind::Data, (64 << 20) - 1), StorageClass::Standard);
        assert_eq!(deep.class_of(PackKind::Data, 64 << 20), StorageClass::DeepArchive);
        assert_eq!(of(StorageClass::StandardIa).class_of(PackKind::Data, 1), StorageClass::StandardIa);
        assert_eq!(of(StorageClass::StandardIa).class_of(PackKind::Tree, 1), StorageClass::Standard);
        assert_eq!(deep.meant_for(PackKind::Data, (64 << 20) - 1), Some(StorageClass::DeepArchive));
        assert_eq!([deep.meant_for(PackKind::Data, 64 << 20), deep.meant_for(PackKind::Tree, 1)], [None, None]);
        assert_eq!(of(StorageClass::StandardIa).meant_for(PackKind::Data, 1), None);
    }

    #[test]
    fn archives_have_large_packs_and_huge_files_packs_of_their_own() {
        assert_eq!(of(StorageClass::GlacierIr).pack_bytes(), 64 << 20);
        assert_eq!(of(StorageClass::Glacier).pack_bytes(), 1 << 30);
        assert!(of(StorageClass::DeepArchive).is_alone(1 << 30));
        assert!(!of(StorageClass::DeepArchive).is_alone((1 << 30) - 1));
        assert!(!of(StorageClass::Standard).is_alone(1 << 40));
    }
}
