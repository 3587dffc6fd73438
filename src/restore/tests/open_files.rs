//! With few files that may be open at once. The limit is one of the process, so each of these runs in a process of its own.

use std::process::Command;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::*;

/// Set in the process of a test.
const CHILD: &str = "ROZEN_TEST_OPEN_FILES";

/// Is this the process of the test? Else one is started, and must end well.
fn is_child(test: &str) -> bool {
    if std::env::var_os(CHILD).is_some() {
        return true;
    }
    let name = format!("restore::tests::open_files::{test}");
    let child =
        Command::new(std::env::current_exe().unwrap()).args([&name, "--exact"]).env(CHILD, "").output().unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
    false
}

fn limit_open_files(limit: u64) {
    setrlimit(Resource::Nofile, Rlimit { current: Some(limit), maximum: Some(limit) }).unwrap();
}

/// 1,200 folders with a file each; above each a large one too.
fn folders() -> Fixture {
    let mut f = Fixture::new();
    let large = f.repo.chunked(&noise(30_000), 1000);
    for n in 0..1200 {
        f.add(&format!("d{n:04}"), Entry::test_dir());
        f.add(&format!("d{n:04}/f"), Entry::test_file(0));
        if n % 10 == 0 {
            f.add(&format!("d{n:04}/large"), Entry { content: Some(large.clone()), ..Entry::test_file(30_000) });
        }
    }
    f
}

#[test]
fn thousands_of_small_folders_are_restored_with_few_open_files() {
    if !is_child("thousands_of_small_folders_are_restored_with_few_open_files") {
        return;
    }
    for (limit, workers) in [(256, 9), (1024, 64), (64, 9)] {
        let mut f = folders();
        let before = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: Some(limit), ..before }).unwrap();
        let report = f.restore_with(RestoreOptions { workers, ..f.options() });
        setrlimit(Resource::Nofile, before).unwrap();
        let report = report.unwrap();
        assert_eq!((report.files, report.dirs, report.problem_count), (1320, 1201, 0), "{limit}, {workers} workers");
    }
}

#[test]
fn too_few_open_files_end_a_restore_and_are_no_problems_of_single_files() {
    if !is_child("too_few_open_files_end_a_restore_and_are_no_problems_of_single_files") {
        return;
    }
    let mut f = folders();
    let manifest = f.repo.commit(&f.entries);
    let contents = f.repo.open();
    let contents = contents.contents().unwrap();
    // next to nothing is left
    limit_open_files(fs::read_dir("/proc/self/fd").unwrap().count() as u64 + 3);
    let error = run(&contents, &manifest, f.options(), &Progress::default()).unwrap_err();
    assert!(matches!(error, RestoreError::OpenFiles(_)), "{error:?}");
    assert!(error.remedy().contains("ulimit"));
}
