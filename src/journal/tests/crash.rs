//! A process that dies around a commit: all of a transaction, or nothing. Power cuts are SQLite's own promise.

use std::process::Command;

use super::*;

const CHILD: &str = "ROZEN_TEST_JOURNAL_DIR";

/// The work that the child dies in: every number from 1 in three tables at once.
fn count_up(dir: &Path) {
    let journal = Journal::open(dir).unwrap();
    journal.upsert_root("home", Path::new("/h"), 1).unwrap();
    for number in 1..=20u64 {
        let run = journal.begin_run(&["home"], 1).unwrap();
        let head = (Seq(number), object(number as u8));
        journal.announce_manifest(run.id, head, &[]).unwrap();
        let tree =
            NewTree { root: "home".into(), tree: chunk(number), put: vec![(chunk(number), vec![1])], drop: vec![] };
        let root = FinishRoot { tree, recovery_point_ms: Some(number as i64), audited_ms: None, reading: Reading::All };
        journal.finish_run(&FinishRun { run: run.id, now_ms: 2, head: Some(head), roots: vec![root] }).unwrap();
    }
}

#[test]
fn a_process_that_dies_around_a_commit_leaves_tables_that_agree() {
    if let Some(dir) = std::env::var_os(CHILD) {
        return count_up(Path::new(&dir));
    }
    for point in ["journal.before-commit", "journal.after-commit"] {
        for hit in 2..=12 {
            let dir = tempfile::tempdir().unwrap();
            assert!(!run_child(dir.path(), &format!("{point}:{hit}")), "{point}:{hit} did not strike");
            check(dir.path(), point, hit);
        }
    }
}

fn run_child(dir: &Path, crash_at: &str) -> bool {
    let this = "journal::tests::crash::a_process_that_dies_around_a_commit_leaves_tables_that_agree";
    let child = Command::new(std::env::current_exe().unwrap())
        .args([this, "--exact"])
        .env(CHILD, dir)
        .env("ROZEN_CRASH_AT", crash_at)
        .output();
    child.unwrap().status.success()
}

/// Transactions: the root, then three for each number; `done` of them must be seen, no more and no less.
fn check(dir: &Path, point: &str, hit: u64) {
    let done = if point == "journal.before-commit" { hit - 1 } else { hit };
    let (numbers, step) = ((done - 1) / 3, (done - 1) % 3);
    let journal = Journal::open(dir).unwrap();
    let expected = (numbers > 0).then(|| (Seq(numbers), object(numbers as u8)));
    assert_eq!(journal.head().unwrap(), expected, "{point}:{hit}");
    let home = journal.root_state("home").unwrap();
    assert_eq!(home.recovery_point_ms, expected.map(|_| numbers as i64));
    assert_eq!(home.tree, expected.map(|_| chunk(numbers)));
    assert_eq!(journal.node_get("home", &chunk(numbers + 1)).unwrap(), None);
    let state = journal.unfinished_run().unwrap().map(|run| run.state.name());
    assert_eq!(state, [None, Some("cut"), Some("committing")][step as usize], "{point}:{hit}");
}
