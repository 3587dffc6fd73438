//! What every kind of store must do, run over all kinds and over the decorators.

use std::fs;
use std::sync::Barrier;

use super::s3::tests::servers::on_every_server;
use super::*;
use crate::clock::Clock;
use crate::model::StorageClass;

fn name(text: &str) -> ObjectName {
    ObjectName::parse(text).unwrap()
}

fn put(store: &Store, text: &str, bytes: &[u8]) -> Result<PutOutcome, StoreError> {
    store.put_if_absent(&name(text), PutSource::Bytes(bytes), StorageClass::Standard)
}

fn names(store: &Store, prefix: &str) -> Vec<String> {
    store.list(prefix).unwrap().into_iter().map(|listed| listed.name.to_string()).collect()
}

/// A store of one kind, and a directory for spool files that lives as long.
struct Kind {
    store: Store,
    dir: tempfile::TempDir,
}

fn memory() -> Kind {
    Kind { store: Store::memory(), dir: tempfile::tempdir().unwrap() }
}

fn directory() -> Kind {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(&StoreUrl::from_path(&dir.path().join("new/repo")).unwrap()).unwrap();
    Kind { store, dir }
}

fn decorated() -> Kind {
    let Kind { store, dir } = directory();
    let (store, _) = store.recording();
    let (store, _) = store.retrying(RetryPolicy::default(), Clock::system()).failing();
    Kind { store, dir }
}

macro_rules! for_every_kind {
    ($($test:ident),* $(,)?) => {
        mod memory { $(#[test] fn $test() { super::$test(&super::memory()); })* }
        mod directory { $(#[test] fn $test() { super::$test(&super::directory()); })* }
        mod decorated { $(#[test] fn $test() { super::$test(&super::decorated()); })* }
        mod s3 { $(#[test] fn $test() {
            super::on_every_server(stringify!($test), |_, store, dir| super::$test(&super::Kind { store, dir }));
        })* }
    };
}

for_every_kind!(
    what_is_put_comes_back_in_all_sizes,
    a_file_is_stored_moved_or_not,
    nothing_is_ever_replaced,
    of_many_writers_exactly_one_wins_and_the_object_is_whole,
    a_range_is_exact_or_an_error,
    a_limit_is_checked_before_reading,
    what_is_missing_is_told_apart_from_errors,
    lists_are_sorted_and_cut_by_prefix,
    folders_are_those_that_hold_objects,
    deleting_is_idempotent,
    a_missing_spool_file_is_no_error_of_the_target,
);

fn what_is_put_comes_back_in_all_sizes(kind: &Kind) {
    for size in [0usize, 1, 2, 511, 512, 4095, 4096, 4097, 262_143, 262_144, 262_145, 3_000_001] {
        let bytes: Vec<u8> = (0..size).map(|at| (at * 31 % 251) as u8).collect();
        let object = name(&format!("sizes/{size}"));
        assert_eq!(
            kind.store.put_if_absent(&object, PutSource::Bytes(&bytes), StorageClass::Standard).unwrap(),
            PutOutcome::Created
        );
        assert_eq!(kind.store.head(&object).unwrap().map(|info| info.size), Some(size as u64));
        assert!(kind.store.get(&object, size as u64).unwrap() == bytes, "{size}");
    }
}

fn a_file_is_stored_moved_or_not(kind: &Kind) {
    for may_move in [false, true] {
        let path = kind.dir.path().join("spooled");
        fs::write(&path, b"spooled bytes").unwrap();
        let object = name(&format!("packs/{may_move}"));
        let source = PutSource::File { path: &path, may_move };
        assert_eq!(kind.store.put_if_absent(&object, source, StorageClass::Standard).unwrap(), PutOutcome::Created);
        assert_eq!(kind.store.get(&object, 100).unwrap(), b"spooled bytes");
        assert!(may_move || path.exists());
        let _ = fs::remove_file(&path);
        assert_eq!(kind.store.get(&object, 100).unwrap(), b"spooled bytes");
    }
}

fn nothing_is_ever_replaced(kind: &Kind) {
    put(&kind.store, "a/b", b"first").unwrap();
    assert_eq!(put(&kind.store, "a/b", b"other").unwrap(), PutOutcome::AlreadyThere);
    let error = put(&kind.store, "a/b", b"longer one").unwrap_err();
    assert!(matches!(error, StoreError::Conflict { present: 5, offered: 10, .. }), "{error}");
    assert_eq!(error.disposition(), Disposition::Permanent);
    let path = kind.dir.path().join("spooled");
    fs::write(&path, b"moved").unwrap();
    let source = PutSource::File { path: &path, may_move: true };
    assert_eq!(
        kind.store.put_if_absent(&name("a/b"), source, StorageClass::Standard).unwrap(),
        PutOutcome::AlreadyThere
    );
    assert_eq!(kind.store.get(&name("a/b"), 100).unwrap(), b"first");
}

fn of_many_writers_exactly_one_wins_and_the_object_is_whole(kind: &Kind) {
    const WRITERS: usize = 16;
    for round in 0..4 {
        let object = name(&format!("race/{round}/object"));
        let barrier = Barrier::new(WRITERS);
        let write = |writer: usize| {
            let bytes = vec![writer as u8; 300_000];
            let path = kind.dir.path().join(format!("{round}-{writer}"));
            fs::write(&path, &bytes).unwrap();
            barrier.wait();
            let source = match writer % 3 {
                0 => PutSource::Bytes(&bytes),
                1 => PutSource::File { path: &path, may_move: false },
                _ => PutSource::File { path: &path, may_move: true },
            };
            kind.store.put_if_absent(&object, source, StorageClass::Standard).unwrap()
        };
        let outcomes: Vec<PutOutcome> = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..WRITERS).map(|writer| scope.spawn(move || write(writer))).collect();
            writers.into_iter().map(|writer| writer.join().unwrap()).collect()
        });
        let winner = outcomes.iter().position(|outcome| *outcome == PutOutcome::Created).unwrap();
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == PutOutcome::Created).count(), 1);
        assert!(kind.store.get(&object, 300_000).unwrap() == vec![winner as u8; 300_000]);
    }
    assert_eq!(kind.store.list("").unwrap().len(), 4);
}

fn a_range_is_exact_or_an_error(kind: &Kind) {
    put(&kind.store, "r", b"0123456789").unwrap();
    let range = |offset, len| kind.store.get_range(&name("r"), offset, len);
    assert_eq!(range(0, 10).unwrap(), b"0123456789");
    assert_eq!(range(3, 4).unwrap(), b"3456");
    assert_eq!(range(10, 0).unwrap(), b"");
    for (offset, len) in [(0, 11), (10, 1), (11, 0), (u64::MAX, 1), (1, u64::MAX), (5, 6)] {
        let error = range(offset, len).unwrap_err();
        assert!(matches!(error, StoreError::OutOfRange { size: 10, .. }), "{offset}+{len}: {error}");
    }
}

fn a_limit_is_checked_before_reading(kind: &Kind) {
    put(&kind.store, "big", &[7; 1000]).unwrap();
    let error = kind.store.get(&name("big"), 999).unwrap_err();
    assert!(matches!(error, StoreError::TooLarge { size: 1000, limit: 999, .. }), "{error}");
}

fn what_is_missing_is_told_apart_from_errors(kind: &Kind) {
    put(&kind.store, "dir/object", b"x").unwrap();
    for missing in ["no", "dir/no", "no/such/dir"] {
        assert_eq!(kind.store.head(&name(missing)).unwrap(), None);
        assert!(kind.store.get(&name(missing), 10).unwrap_err().is_not_found());
        assert!(kind.store.get_range(&name(missing), 0, 1).unwrap_err().is_not_found());
    }
}

fn lists_are_sorted_and_cut_by_prefix(kind: &Kind) {
    let stored = ["a.b", "a/b", "a/b.c", "a/c/d", "a0", "b/1", "b/10", "b/2"];
    for text in stored.iter().rev() {
        put(&kind.store, text, text.as_bytes()).unwrap();
    }
    assert_eq!(names(&kind.store, ""), stored);
    for prefix in ["a", "a/", "a/b", "a/c/", "b/1", "c", "a/c/d", "a/c/d/", "b/1x"] {
        let expected: Vec<_> = stored.iter().filter(|text| text.starts_with(prefix)).copied().collect();
        assert_eq!(names(&kind.store, prefix), expected, "{prefix}");
    }
    assert_eq!(kind.store.list("a/c/").unwrap()[0].size, 5);
}

fn folders_are_those_that_hold_objects(kind: &Kind) {
    for text in ["m/b/x/1", "m/a/1", "m/a/2", "m/b/y", "m/file", "m0/c/1", "n/d/1"] {
        put(&kind.store, text, b"x").unwrap();
    }
    assert_eq!(kind.store.folders("m/").unwrap(), ["a", "b"]);
    assert_eq!(kind.store.folders("m/b/").unwrap(), ["x"]);
    assert_eq!(kind.store.folders("m/a/").unwrap(), [""; 0]);
    assert_eq!(kind.store.folders("none/").unwrap(), [""; 0]);
    kind.store.delete(&name("m/a/1")).unwrap();
    kind.store.delete(&name("m/a/2")).unwrap();
    assert_eq!(kind.store.folders("m/").unwrap(), ["b"]);
}

fn deleting_is_idempotent(kind: &Kind) {
    put(&kind.store, "d/e", b"x").unwrap();
    assert_eq!(kind.store.get_range(&name("d/e"), 0, 1).unwrap(), b"x");
    for _ in 0..2 {
        kind.store.delete(&name("d/e")).unwrap();
        assert_eq!(kind.store.head(&name("d/e")).unwrap(), None);
        assert!(kind.store.get_range(&name("d/e"), 0, 1).unwrap_err().is_not_found());
    }
    assert_eq!(put(&kind.store, "d/e", b"again").unwrap(), PutOutcome::Created);
    assert_eq!(kind.store.get_range(&name("d/e"), 0, 5).unwrap(), b"again");
}

fn a_missing_spool_file_is_no_error_of_the_target(kind: &Kind) {
    let path = kind.dir.path().join("nowhere");
    for may_move in [false, true] {
        let error = kind
            .store
            .put_if_absent(&name("x"), PutSource::File { path: &path, may_move }, StorageClass::Standard)
            .unwrap_err();
        assert_eq!(error.disposition(), Disposition::Spool);
    }
    assert_eq!(kind.store.list("").unwrap(), []);
}
