//! Nodes and staged entries.

use super::*;

fn entry(dir: &str, name: &[u8], bytes: &[u8]) -> StagedEntry {
    StagedEntry { dir: path(dir), name: name.to_vec(), entry: Some(bytes.to_vec()) }
}

fn gone(dir: &str, name: &[u8]) -> StagedEntry {
    StagedEntry { dir: path(dir), name: name.to_vec(), entry: None }
}

/// All pages of `limit`.
fn pages(journal: &Journal, limit: usize) -> Vec<StagedEntry> {
    let mut all: Vec<StagedEntry> = Vec::new();
    loop {
        let after = all.last().map(|last| (&last.dir, &last.name[..]));
        let page = journal.staged_iter("home", after, limit).unwrap();
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}

#[test]
fn staged_entries_come_back_in_byte_order_whatever_the_page_size() {
    let bench = Bench::new();
    let sorted = vec![
        entry("", b"", b"root"),
        entry("", b"\xff", b"1"),
        gone("a", b"b"),
        entry("a", b"b ", b"2"),
        entry("a b", b"x", b"3"),
        entry("a/b", b"x", b"4"),
        entry("a0", b"x", b""),
    ];
    let mut shuffled = sorted.clone();
    shuffled.reverse();
    bench.journal.stage("home", &shuffled).unwrap();
    bench.journal.stage("work", &[entry("z", b"z", b"other root")]).unwrap();
    for limit in [1, 2, 3, 100] {
        assert_eq!(pages(&bench.journal, limit), sorted);
    }
    bench.journal.clear_staging("home").unwrap();
    assert_eq!(pages(&bench.journal, 9), []);
    assert_eq!(bench.journal.staged_iter("work", None, 9).unwrap().len(), 1);
}

#[test]
fn the_later_staged_entry_wins() {
    let bench = Bench::new();
    bench.journal.stage("home", &[entry("a", b"x", b"1"), gone("a", b"x"), entry("a", b"x", b"2")]).unwrap();
    bench.journal.stage("home", &[gone("a", b"y"), entry("a", b"y", b"3")]).unwrap();
    assert_eq!(pages(&bench.journal, 9), [entry("a", b"x", b"2"), entry("a", b"y", b"3")]);
}

#[test]
fn removing_a_subtree_forgets_what_was_staged_there_and_keeps_what_comes_later() {
    let bench = Bench::new();
    let journal = &bench.journal;
    let all = [entry("", b"a", b"dir"), entry("a", b"x", b"1"), entry("a/b", b"y", b"2"), entry("a0", b"z", b"3")];
    journal.stage("home", &all).unwrap();
    journal.stage_remove_subtree("home", &path("a/b")).unwrap();
    journal.stage_remove_subtree("home", &path("a")).unwrap();
    journal.stage("home", &[entry("a", b"new", b"4")]).unwrap();
    assert_eq!(pages(journal, 9), [entry("", b"a", b"dir"), entry("a", b"new", b"4"), entry("a0", b"z", b"3")]);
    assert_eq!(journal.staged_removals("home").unwrap(), [path("a")]);
    journal.stage_remove_subtree("home", &path("")).unwrap();
    assert_eq!((pages(journal, 9).len(), journal.staged_removals("home").unwrap()), (0, vec![path("")]));
}

#[test]
fn the_end_of_a_run_replaces_the_tree_and_clears_the_staging() {
    let bench = Bench::new();
    let journal = &bench.journal;
    bench.has_tree(&[(1, b"one"), (2, b"two")]);
    let run = journal.begin_run(&["home"], 10).unwrap();
    journal.stage("home", &[entry("a", b"x", b"1")]).unwrap();
    let tree = NewTree {
        root: "home".into(),
        tree: chunk(3),
        put: vec![(chunk(3), b"three".to_vec()), (chunk(2), b"two".to_vec())],
        drop: vec![chunk(1), chunk(2)],
    };
    let roots = vec![FinishRoot { tree, recovery_point_ms: None, audited_ms: None, reading: Reading::All }];
    journal.finish_run(&FinishRun { run: run.id, now_ms: 11, head: None, roots }).unwrap();
    assert_eq!(journal.root_state("home").unwrap().tree, Some(chunk(3)));
    assert_eq!(journal.root_state("home").unwrap().recovery_point_ms, Some(2));
    let nodes = [1, 2, 3].map(|number| journal.node_get("home", &chunk(number)).unwrap());
    assert_eq!(nodes, [None, Some(b"two".to_vec()), Some(b"three".to_vec())]);
    assert_eq!(journal.node_get("work", &chunk(3)).unwrap(), None);
    assert_eq!(pages(journal, 9), []);
    journal.drop_tree("home").unwrap();
    assert_eq!((journal.root_state("home").unwrap().tree, journal.node_get("home", &chunk(3)).unwrap()), (None, None));
}

#[test]
fn a_failed_run_leaves_nothing_staged() {
    let bench = Bench::new();
    let run = bench.journal.begin_run(&["home"], 10).unwrap();
    bench.journal.stage("home", &[entry("a", b"x", b"1")]).unwrap();
    bench.journal.stage_remove_subtree("home", &path("b")).unwrap();
    bench.journal.fail_run(run.id, "x", 11).unwrap();
    assert_eq!((pages(&bench.journal, 9).len(), bench.journal.staged_removals("home").unwrap().len()), (0, 0));
}

#[test]
fn nodes_of_a_failed_run_are_dropped_when_the_next_one_begins() {
    let bench = Bench::new();
    let journal = &bench.journal;
    bench.has_tree(&[(1, b"one"), (2, b"two")]);
    let run = journal.begin_run(&["home"], 10).unwrap();
    journal.make_nodes("home", &[(chunk(2), b"two".to_vec()), (chunk(3), b"three".to_vec())]).unwrap();
    journal.fail_run(run.id, "x", 11).unwrap();
    journal.begin_run(&["work"], 12).unwrap();
    let found = [1, 2, 3].map(|number| journal.node_get("home", &chunk(number)).unwrap().is_some());
    assert_eq!(found, [true, true, false], "what the tree had already stays");
}

#[test]
fn what_a_partial_snapshot_replaces_can_be_read_until_its_run_ends_however_it_ends() {
    for ends_well in [true, false] {
        let bench = Bench::new();
        let journal = &bench.journal;
        bench.has_tree(&[(1, b"one"), (2, b"two")]);
        let run = journal.begin_run(&["home"], 10).unwrap();
        journal.make_nodes("home", &[(chunk(3), b"three".to_vec())]).unwrap();
        let head = (Seq(1), object(1));
        journal.announce_manifest(run.id, head, &[]).unwrap();
        let tree = NewTree { root: "home".into(), tree: chunk(3), put: vec![], drop: vec![chunk(1), chunk(2)] };
        journal.commit_partial(run.id, head, &[tree], "home").unwrap();
        assert!(journal.node_get("home", &chunk(1)).unwrap().is_some(), "the scan still reads it");
        // a later part of the same run needs one of them again
        journal.make_nodes("home", &[(chunk(2), b"two".to_vec())]).unwrap();
        let expected = if ends_well {
            let tree = NewTree { root: "home".into(), tree: chunk(2), put: vec![], drop: vec![chunk(3)] };
            let roots = vec![FinishRoot { tree, recovery_point_ms: None, audited_ms: None, reading: Reading::All }];
            journal.finish_run(&FinishRun { run: run.id, now_ms: 11, head: None, roots }).unwrap();
            [false, true, false]
        } else {
            journal.fail_run(run.id, "x", 11).unwrap();
            journal.begin_run(&["home"], 12).unwrap();
            [false, false, true]
        };
        let found = [1, 2, 3].map(|number| journal.node_get("home", &chunk(number)).unwrap().is_some());
        assert_eq!(found, expected, "ends well: {ends_well}");
    }
}
