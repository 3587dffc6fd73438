//! The program dies in the middle of a merge, as by kill -9.

use std::fs;
use std::os::unix::process::ExitStatusExt;

use rozen::fault::{POINTS, POINTS_OF_ARENA};
use rozen::model::StorageClass;

use crate::bucket::Bucket;
use crate::common::is_full;

const SIGABRT: i32 = 6;
/// Two of them are merged.
const CONTENT: usize = 700_000;
/// More often than any point is met by a run.
const MOST_HITS: usize = 100;

#[test]
fn dead_at_any_fault_point_of_a_merge_the_next_run_is_right() {
    for (point, what) in POINTS_OF_ARENA {
        assert!(dies_and_recovers(&format!("{point}:1"), what), "a run does not come by {point}");
    }
    // the run's own content, tree, index object and manifest come first
    for (point, hit) in [("upload.stored", 5), ("upload.recorded", 5), ("index.written", 2)] {
        assert!(dies_and_recovers(&format!("{point}:{hit}"), "of the merged pack"), "{point}");
    }
}

#[test]
fn dead_at_any_moment_of_a_run_that_merges_the_next_run_is_right() {
    if !is_full() {
        crate::skip!("a crash at every fault point, each time that it is met: ROZEN_FULL is not set");
    }
    let mut crashes = 0;
    for (point, what) in POINTS.iter().chain(POINTS_OF_ARENA) {
        crashes += (1..MOST_HITS).take_while(|hit| dies_and_recovers(&format!("{point}:{hit}"), what)).count();
    }
    eprintln!("{crashes} crashes");
    assert!(crashes > 50);
}

/// Whether the point was met at all.
fn dies_and_recovers(crash_at: &str, what: &str) -> bool {
    let mut bucket = Bucket::new("[archive]\nmerge_at = \"1MiB\"");
    bucket.write(CONTENT);
    bucket.machine.backup();
    bucket.write(CONTENT);
    let mut backup = bucket.machine.rozenctl("backup");
    let out = backup.arg("--once").env("ROZEN_CRASH_AT", crash_at).output().unwrap();
    let died = out.status.signal() == Some(SIGABRT);
    assert!(died || out.status.success(), "{crash_at}: {}", String::from_utf8_lossy(&out.stderr));
    if died {
        // one more small run: should a copy have been lost, there are two again
        bucket.write(CONTENT);
        bucket.machine.backup();
        bucket.assert_restores(&format!("{crash_at} ({what})"));
        assert_merged_once(&bucket, crash_at);
    }
    died
}

/// One pack of the archive class; every chunk where it is to be, and in no place twice.
fn assert_merged_once(bucket: &Bucket, crash_at: &str) {
    let by_class = bucket.packs_by_class();
    assert_eq!(by_class.get(&StorageClass::DeepArchive), Some(&1), "{crash_at}: {by_class:?}");
    let copies = fs::read_dir(bucket.machine.state().join("arena")).unwrap().count();
    let rows: Vec<usize> = bucket.journal("SELECT count(*) FROM arena", |row| row.get(0));
    assert_eq!(rows, [copies], "{crash_at}: copies and their rows");
    // the third run's own pack is merged with the others where none was merged before
    let superseded = bucket.superseded().len();
    assert!((2..=3).contains(&superseded), "{crash_at}: {superseded}");
    let twice = "SELECT class FROM chunks JOIN packs ON packs.key = pack GROUP BY class, id HAVING count(*) > 1";
    let twice: Vec<String> = bucket.journal(twice, |row| row.get(0));
    assert_eq!(twice, [""; 0], "{crash_at}");
}
