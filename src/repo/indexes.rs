//! Where chunks are, by index objects. Packs that none of them names are looked into by themselves (`unlisted`).

use std::sync::atomic::{AtomicBool, Ordering};

use super::certificates::unless_gone;
use super::contents::Contents;
use super::open::Machine;
use super::{RepoError, names};
use crate::format::{IndexBody, IndexedPack, open_index};
use crate::model::PackKey;
use crate::store::{Listed, StoreError};

/// Larger index objects are refused; a commit of 256 packs stays far below.
const MAX_INDEX: u64 = 256 << 20;
/// From a target that is far so many are read at once …
const AT_ONCE: usize = 8;
/// … while they have no more bytes than this. One is always read.
const BYTES_AT_ONCE: u64 = 32 << 20;

impl Contents {
    pub(super) fn load_indexes(&self, machine: &Machine, given_up: &AtomicBool) -> Result<(), RepoError> {
        let listed = self.store.list(&names::folder(&machine.id, "index"))?;
        let mut rest = &listed[..];
        while !rest.is_empty() {
            if given_up.load(Ordering::Relaxed) {
                return Err(StoreError::Stopped.into());
            }
            let (group, others) = rest.split_at(if self.is_far() { group_len(rest) } else { 1 });
            for body in self.read_indexes(machine, group) {
                match body {
                    Ok(body) => self.insert(machine, &body.packs)?,
                    // its packs are found by their own directories
                    Err(error) => self.note(unless_gone(error)?),
                }
            }
            rest = others;
        }
        Ok(())
    }

    fn read_indexes(&self, machine: &Machine, group: &[Listed]) -> Vec<Result<IndexBody, RepoError>> {
        if let [one] = group {
            return vec![self.read_index(machine, one)];
        }
        std::thread::scope(|scope| {
            let reading: Vec<_> =
                group.iter().map(|listed| scope.spawn(move || self.read_index(machine, listed))).collect();
            reading.into_iter().map(|thread| thread.join().expect("reading an index object does not panic")).collect()
        })
    }

    fn read_index(&self, machine: &Machine, listed: &Listed) -> Result<IndexBody, RepoError> {
        let bytes = self.store.get(&listed.name, MAX_INDEX)?;
        open_index(&bytes, &self.keys.repo_id, &self.keys.index, Some(&machine.signers))
            .map_err(|source| RepoError::Object { name: listed.name.clone(), source })
    }

    pub(super) fn insert(&self, machine: &Machine, packs: &[IndexedPack]) -> Result<(), RepoError> {
        let mut table = self.table.lock().expect("no panic while it is held");
        for pack in packs {
            let key = PackKey { machine: machine.id, is_tree: pack.is_tree, hash: pack.hash };
            table.insert(key, pack.located().map(|(frame, offset)| (frame.id, offset, frame.len)))?;
        }
        Ok(())
    }
}

/// How many of the first of them are read at once.
fn group_len(listed: &[Listed]) -> usize {
    let mut bytes = 0u64;
    let fits = |object: &&Listed| {
        bytes = bytes.saturating_add(object.size);
        bytes <= BYTES_AT_ONCE
    };
    listed.iter().take(AT_ONCE).take_while(fits).count().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Content, Entry, StorageClass};
    use crate::repo::testing::{Entries, TestRepo};
    use crate::store::{Moment, ObjectName, Verb};
    use rustix::io::Errno;

    #[test]
    fn an_index_object_that_the_disk_cannot_read_costs_nothing_while_the_packs_are_right() {
        let mut repo = TestRepo::new();
        let content = repo.bundled(&[b"content"]).remove(0);
        let Content::Bundled { bundle, .. } = content else { panic!("{content:?}") };
        repo.commit(&Entries::from([(vec![], Entry::test_dir())]));
        let (store, faults) = repo.store.clone().failing();
        let repository = repo.open().through(store);
        // the certificate, then the index object
        faults.fail_nth(Verb::Get, 2, Moment::Before, Errno::IO);
        let contents = repository.contents().unwrap();
        assert_eq!(contents.take_problems().len(), 1);
        assert_eq!(contents.chunk(&bundle).unwrap(), b"content");
    }

    #[test]
    fn index_objects_are_read_in_groups_that_are_bounded_in_number_and_bytes() {
        let listed = |size| Listed { name: ObjectName::parse("index/x").unwrap(), size, class: StorageClass::Standard };
        assert_eq!(group_len(&[listed(1), listed(1)]), 2);
        assert_eq!(group_len(&vec![listed(1); 100]), AT_ONCE);
        assert_eq!(group_len(&vec![listed(BYTES_AT_ONCE / 3); 100]), 3);
        assert_eq!(group_len(&[listed(u64::MAX), listed(u64::MAX)]), 1);
    }
}
