//! How strict the uploads in memory are: what passes here passes at any target.

use std::path::Path;

use super::super::{
    CompleteOutcome, MemoryTarget, ObjectName, PartReceipt, PartRules, PartSource, PutSource, Store, StoreError, Upload,
};
use crate::model::StorageClass;

const RULES: PartRules = PartRules { threshold: 4, part_size: 4, max_parts: 10, in_flight: 2 };

struct Lab {
    target: MemoryTarget,
    store: Store,
    spool: tempfile::NamedTempFile,
}

impl Lab {
    /// With a spool file of ten bytes: parts of 4, 4 and 2.
    fn new() -> Self {
        let spool = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(spool.path(), b"0123456789").unwrap();
        let (store, target) = Store::memory_by_parts(RULES);
        Self { store, target, spool }
    }

    fn begin(&self) -> Upload {
        Upload { id: self.store.create_upload(&name(), StorageClass::Standard).unwrap(), name: name() }
    }

    fn part(&self, upload: &Upload, number: u32, offset: u64, len: u64) -> Result<PartReceipt, StoreError> {
        self.store.put_part(upload, number, PartSource { path: self.spool.path(), offset, len })
    }

    fn all_parts(&self, upload: &Upload) -> Vec<PartReceipt> {
        [(1, 0, 4), (2, 4, 4), (3, 8, 2)].map(|(number, at, len)| self.part(upload, number, at, len).unwrap()).to_vec()
    }
}

fn name() -> ObjectName {
    ObjectName::parse("machines/m/packs/p").unwrap()
}

#[test]
fn parts_become_the_object_once_and_the_upload_is_gone() {
    let lab = Lab::new();
    let upload = lab.begin();
    let parts = lab.all_parts(&upload);
    assert_eq!(lab.store.list_parts(&upload).unwrap(), Some(parts.clone()));
    assert_eq!(lab.store.head(&name()).unwrap(), None);
    assert_eq!(lab.store.complete_upload(&upload, &parts).unwrap(), CompleteOutcome::Created);
    assert_eq!(lab.store.get(&name(), 10).unwrap(), b"0123456789");
    assert_eq!(lab.store.complete_upload(&upload, &parts).unwrap(), CompleteOutcome::UploadGone);
    assert_eq!((lab.store.list_parts(&upload).unwrap(), lab.store.list_uploads("").unwrap()), (None, vec![]));
    assert!(matches!(lab.part(&upload, 1, 0, 4), Err(StoreError::UploadGone { .. })));
}

#[test]
fn parts_that_are_missing_or_others_are_noticed() {
    let lab = Lab::new();
    let upload = lab.begin();
    let parts = lab.all_parts(&upload);
    lab.part(&upload, 2, 0, 4).unwrap();
    assert_eq!(lab.store.complete_upload(&upload, &parts).unwrap(), CompleteOutcome::PartsDiffer);
    lab.target.lose_part(&upload, 2);
    assert_eq!(lab.store.complete_upload(&upload, &parts).unwrap(), CompleteOutcome::PartsDiffer);
    assert_eq!(lab.store.list_parts(&upload).unwrap().unwrap().len(), 2);
}

#[test]
fn gaps_and_parts_of_wrong_sizes_are_refused() {
    let lab = Lab::new();
    let upload = lab.begin();
    let parts = lab.all_parts(&upload);
    let small = [lab.part(&upload, 4, 0, 3).unwrap(), lab.part(&upload, 5, 0, 4).unwrap()];
    let numbered = |part: &PartReceipt, number| PartReceipt { number, ..part.clone() };
    let too_small_in_front = [numbered(&small[0], 1), numbered(&small[1], 2)];
    for bad in [&parts[1..], &parts[..0], &[parts[0].clone(), parts[2].clone()], &too_small_in_front] {
        assert!(lab.store.complete_upload(&upload, bad).is_err(), "{bad:?}");
    }
    assert!(lab.part(&upload, 0, 0, 4).is_err() && lab.part(&upload, 10_001, 0, 4).is_err());
}

#[test]
fn a_name_that_was_taken_or_deleted_meanwhile_is_told() {
    let lab = Lab::new();
    let upload = lab.begin();
    let parts = lab.all_parts(&upload);
    lab.store.put_if_absent(&name(), PutSource::Bytes(b"other"), StorageClass::Standard).unwrap();
    assert_eq!(lab.store.complete_upload(&upload, &parts).unwrap(), CompleteOutcome::AlreadyThere);
    lab.store.delete(&name()).unwrap();
    assert_eq!(lab.store.complete_upload(&upload, &parts).unwrap(), CompleteOutcome::Conflict);
    let again = lab.begin();
    let parts = lab.all_parts(&again);
    assert_eq!(lab.store.complete_upload(&again, &parts).unwrap(), CompleteOutcome::Created);
}

#[test]
fn uploads_are_listed_by_prefix_until_they_are_aborted() {
    let lab = Lab::new();
    let (first, second) = (lab.begin(), lab.begin());
    assert_eq!(lab.store.list_uploads("machines/m/").unwrap(), [first.clone(), second.clone()]);
    assert_eq!(lab.store.list_uploads("machines/n/").unwrap(), []);
    for _ in 0..2 {
        lab.store.abort_upload(&first).unwrap();
    }
    assert_eq!(lab.store.list_uploads(name().as_str()).unwrap(), [second]);
}

#[test]
fn a_spool_file_that_is_gone_or_too_short_is_no_error_of_the_target() {
    let lab = Lab::new();
    let upload = lab.begin();
    assert!(matches!(lab.part(&upload, 1, 8, 4), Err(StoreError::Spool { .. })));
    let source = PartSource { path: Path::new("/nowhere"), offset: 0, len: 1 };
    assert!(matches!(lab.store.put_part(&upload, 1, source), Err(StoreError::Spool { .. })));
}
