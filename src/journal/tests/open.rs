//! Which files are taken for a journal, and by whom.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::model::RepoId;

#[test]
fn a_second_process_is_refused_and_told_who_is_there() {
    let bench = Bench::new();
    let error = Journal::open(bench.dir.path()).unwrap_err();
    assert!(matches!(error, JournalError::InUse { pid: Some(pid), .. } if pid == std::process::id()), "{error}");
    assert!(error.to_string().contains(&format!("pid {}", std::process::id())), "{error}");
    let _ = bench.reopened();
}

#[test]
fn a_journal_of_a_newer_version_is_refused_and_left_alone() {
    let Bench { dir, journal } = Bench::new();
    drop(journal);
    let file = dir.path().join("journal.db");
    rusqlite::Connection::open(&file).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let before = fs::read(&file).unwrap();
    let error = Journal::open(dir.path()).unwrap_err();
    assert!(matches!(error, JournalError::Newer { found: 99, .. }), "{error}");
    assert!(fs::read(&file).unwrap() == before);
}

#[test]
fn what_is_no_journal_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("journal.db");
    fs::write(&file, b"this is a letter to my grandmother, and no database at all".repeat(100)).unwrap();
    let error = Journal::open(dir.path()).unwrap_err();
    assert!(matches!(error, JournalError::Damaged { .. }), "{error}");
    assert!(error.remedy().contains("rebuilt"));
    assert!(fs::read(&file).unwrap().starts_with(b"this is a letter"));
    fs::remove_file(&file).unwrap();
    rusqlite::Connection::open(&file).unwrap().execute_batch("CREATE TABLE recipes (name)").unwrap();
    let error = Journal::open(dir.path()).unwrap_err();
    assert!(matches!(error, JournalError::Foreign { .. }), "{error}");
}

#[test]
fn a_file_of_the_first_version_opens_in_every_later_one() {
    let dir = tempfile::tempdir().unwrap();
    let old = rusqlite::Connection::open(dir.path().join("journal.db")).unwrap();
    old.execute_batch(include_str!("../../../migrations/0001_journal.sql")).unwrap();
    old.execute_batch("INSERT INTO roots (id, path) VALUES ('home', x'2f68')").unwrap();
    old.pragma_update(None, "application_id", 0x526f_7a6e).unwrap();
    old.pragma_update(None, "user_version", 1).unwrap();
    drop(old);
    let journal = Journal::open(dir.path()).unwrap();
    assert_eq!(journal.root_state("home").unwrap().path, Path::new("/h"));
}

#[test]
fn a_row_that_this_program_never_writes_is_damage() {
    let Bench { dir, journal } = Bench::new();
    drop(journal);
    let raw = rusqlite::Connection::open(dir.path().join("journal.db")).unwrap();
    raw.execute_batch("INSERT INTO hints VALUES (1, x'2e2e', 1, 0, x'', 'event', 1)").unwrap();
    drop(raw);
    let journal = Journal::open(dir.path()).unwrap();
    let error = journal.hints_upto("home", Cut { seq: 9 }).unwrap_err();
    assert!(matches!(error, JournalError::Damaged { doing: "read hints", .. }), "{error}");
}

#[test]
fn only_its_owner_may_read_the_state() {
    let outer = tempfile::tempdir().unwrap();
    let journal = Journal::open(&outer.path().join("deep/state")).unwrap();
    journal.set_fact("x", b"y").unwrap();
    for entry in fs::read_dir(outer.path().join("deep/state")).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o077, 0, "{:?}", entry.path());
    }
    let mode = fs::metadata(outer.path().join("deep/state")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn a_state_directory_belongs_to_one_repository() {
    let bench = Bench::new();
    bench.journal.bind_repository(RepoId([1; 16])).unwrap();
    let bench = bench.reopened();
    bench.journal.bind_repository(RepoId([1; 16])).unwrap();
    let error = bench.journal.bind_repository(RepoId([2; 16])).unwrap_err();
    assert!(matches!(error, JournalError::OtherRepository { .. }), "{error}");
}

#[test]
fn facts_and_the_head_are_kept() {
    let bench = Bench::new();
    assert_eq!((bench.journal.fact("boot").unwrap(), bench.journal.head().unwrap()), (None, None));
    bench.journal.set_fact("boot", b"1").unwrap();
    bench.journal.set_fact("boot", b"2").unwrap();
    bench.journal.adopt_head(Seq(7), object(7), &[], 1).unwrap();
    let bench = bench.reopened();
    assert_eq!(bench.journal.fact("boot").unwrap(), Some(b"2".to_vec()));
    assert_eq!(bench.journal.head().unwrap(), Some((Seq(7), object(7))));
}
