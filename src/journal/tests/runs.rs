//! Runs end once, roots keep their promises, freezes are not forgotten.

use super::*;

/// Hints since the last audit are known to be complete.
fn is_covered(root: &RootState) -> bool {
    root.last_audit_ms.is_some() && root.audit.is_none()
}

#[test]
fn one_run_at_a_time() {
    let bench = Bench::new();
    let run = bench.journal.begin_run(&["home"], 10).unwrap();
    assert!(matches!(bench.journal.begin_run(&["work"], 11), Err(JournalError::RunUnfinished { .. })));
    bench.journal.fail_run(run.id, "no", 12).unwrap();
    let second = bench.journal.begin_run(&["work"], 13).unwrap();
    assert!(second.cut > run.cut && second.id > run.id);
    let failed = bench.journal.run(run.id).unwrap();
    assert_eq!(failed.state, RunState::Failed { message: "no".into() });
    assert!(matches!(bench.journal.fail_run(run.id, "again", 14), Err(JournalError::WrongRunState { .. })));
}

#[test]
fn after_a_crash_the_run_is_found_in_its_last_state() {
    let mut bench = Bench::new();
    let run = bench.journal.begin_run(&["work", "home"], 10).unwrap();
    let committing = |seq, number| RunState::Committing { seq: Seq(seq), manifest: object(number) };
    let partial = NewTree { root: "home".into(), tree: chunk(0), put: vec![], drop: vec![] };
    for state in [RunState::Cut, committing(2, 2), RunState::Scanning, committing(3, 3)] {
        match &state {
            RunState::Committing { seq, manifest } => {
                bench.journal.announce_manifest(run.id, (*seq, *manifest), &[]).unwrap();
            }
            RunState::Scanning => {
                let head = (Seq(2), object(2));
                bench.journal.commit_partial(run.id, head, std::slice::from_ref(&partial), "home").unwrap();
            }
            _ => {}
        }
        bench = bench.reopened();
        let roots = vec!["home".to_owned(), "work".to_owned()];
        let expected = RunRow { id: run.id, cut: run.cut, roots, started_ms: 10, state };
        assert_eq!(bench.journal.unfinished_run().unwrap(), Some(expected));
    }
    bench.finish(run.id, Some((Seq(3), object(3))), &["home"]);
    assert_eq!(bench.journal.unfinished_run().unwrap(), None);
    assert_eq!(bench.journal.run(run.id).unwrap().state, RunState::Done { seq: Some(Seq(3)) });
    assert_eq!(bench.journal.head().unwrap(), Some((Seq(3), object(3))));
}

#[test]
fn only_the_snapshot_that_was_announced_can_be_finished() {
    let bench = Bench::new();
    let run = bench.journal.begin_run(&["home"], 10).unwrap();
    let finish = |seq| FinishRun { run: run.id, now_ms: 11, head: Some((Seq(seq), object(3))), roots: vec![] };
    assert!(matches!(bench.journal.finish_run(&finish(3)), Err(JournalError::WrongRunState { .. })));
    bench.journal.announce_manifest(run.id, (Seq(3), object(3)), &[]).unwrap();
    assert!(matches!(bench.journal.finish_run(&finish(4)), Err(JournalError::WrongRunState { .. })));
    bench.journal.finish_run(&finish(3)).unwrap();
}

#[test]
fn a_commit_that_the_crash_hid_is_adopted_and_its_hints_stay() {
    let bench = Bench::new();
    let hint = HintRow { dir: path("a"), recursive: false, names: vec![], reason: "event".into(), now_ms: 5 };
    bench.journal.add_hints("home", &[hint]).unwrap();
    let run = bench.journal.begin_run(&["home"], 10).unwrap();
    bench.journal.stage("home", &[StagedEntry { dir: path(""), name: b"a".to_vec(), entry: None }]).unwrap();
    assert!(matches!(bench.journal.adopt_commit(run.id, 11), Err(JournalError::WrongRunState { .. })));
    bench.journal.announce_manifest(run.id, (Seq(1), object(1)), &[]).unwrap();
    let bench = bench.reopened();
    bench.journal.adopt_commit(run.id, 12).unwrap();
    assert_eq!(bench.journal.head().unwrap(), Some((Seq(1), object(1))));
    assert_eq!(bench.journal.pending("home").unwrap().count, 1);
    assert_eq!(bench.journal.staged_iter("home", None, 9).unwrap(), []);
    assert_eq!(bench.journal.unfinished_run().unwrap(), None);
}

#[test]
fn a_new_or_moved_root_waits_for_an_audit() {
    let bench = Bench::new();
    let journal = &bench.journal;
    assert!(is_covered(&journal.root_state("home").unwrap()));
    journal.upsert_root("home", Path::new("/somewhere"), 20).unwrap();
    assert!(is_covered(&journal.root_state("home").unwrap()));
    journal.upsert_root("home", Path::new("/elsewhere"), 21).unwrap();
    let home = journal.root_state("home").unwrap();
    assert_eq!((home.path.as_path(), is_covered(&home)), (Path::new("/elsewhere"), false));
    assert_eq!(home.audit.unwrap().since_ms, 21);
    assert_eq!(journal.pending("home").unwrap(), Pending { count: 1, oldest_first_ms: Some(21) });
    assert!(matches!(journal.root_state("nowhere"), Err(JournalError::UnknownRoot { .. })));
}

#[test]
fn a_mark_after_the_cut_survives_the_audit_that_was_under_way() {
    let bench = Bench::new();
    let journal = &bench.journal;
    journal.mark_audit("home", "overflow", 10).unwrap();
    let run = journal.begin_run(&["home"], 20).unwrap();
    journal.mark_audit("home", "unmounted", 30).unwrap();
    bench.finish(run.id, None, &["home"]);
    let home = journal.root_state("home").unwrap();
    assert_eq!(home.audit, Some(AuditMark { reason: "overflow".into(), since_ms: 10 }));
    assert_eq!((home.recovery_point_ms, journal.pending("home").unwrap().count), (Some(2), 1));
    let run = journal.begin_run(&["home"], 40).unwrap();
    bench.finish(run.id, None, &["home"]);
    assert!(is_covered(&journal.root_state("home").unwrap()));
}

#[test]
fn a_partial_snapshot_moves_the_head_and_a_run_that_then_ends_early_has_to_be_made_up_for_in_full() {
    let bench = Bench::new();
    let journal = &bench.journal;
    journal.mark_audit("home", "start", 10).unwrap();
    let run = journal.begin_run(&["home"], 20).unwrap();
    journal.announce_manifest(run.id, (Seq(1), object(1)), &[]).unwrap();
    let tree = NewTree { root: "home".into(), tree: chunk(5), put: vec![(chunk(5), b"n".to_vec())], drop: vec![] };
    journal.commit_partial(run.id, (Seq(1), object(1)), std::slice::from_ref(&tree), "home").unwrap();
    assert_eq!(journal.head().unwrap(), Some((Seq(1), object(1))));
    assert_eq!(journal.root_state("home").unwrap().tree, Some(chunk(5)));
    assert_eq!(journal.pending("home").unwrap().count, 1);
    assert_eq!(journal.unfinished_run().unwrap().unwrap().state, RunState::Scanning);

    journal.fail_run(run.id, "the target is away", 30).unwrap();
    let next = journal.begin_run(&["home"], 40).unwrap();
    let hints = journal.hints_upto("home", next.cut).unwrap();
    assert!(hints.iter().any(|hint| hint.dir.is_root() && hint.recursive), "{hints:?}");
    // one that ends well owes nothing
    journal.announce_manifest(next.id, (Seq(2), object(2)), &[]).unwrap();
    journal.commit_partial(next.id, (Seq(2), object(2)), std::slice::from_ref(&tree), "home").unwrap();
    let roots = vec![FinishRoot { tree, recovery_point_ms: None, audited_ms: None, reading: Reading::All }];
    journal.finish_run(&FinishRun { run: next.id, now_ms: 50, head: None, roots }).unwrap();
    assert_eq!(journal.pending("home").unwrap().count, 0);
}

#[test]
fn freezes_are_known_from_the_intent_to_the_release() {
    let bench = Bench::new();
    let run = bench.journal.begin_run(&["home"], 10).unwrap();
    bench.journal.freeze_intent(run.id, "home", "f1", "subvolume 5", 11).unwrap();
    bench.journal.freeze_intent(run.id, "home", "f2", "", 12).unwrap();
    bench.journal.freeze_live("f2").unwrap();
    let bench = bench.reopened();
    let states = |bench: &Bench| -> Vec<_> {
        let rows = bench.journal.unreleased_freezes().unwrap();
        rows.into_iter().map(|row| (row.name, row.state)).collect()
    };
    assert_eq!(states(&bench), [("f1".into(), FreezeState::Intent), ("f2".into(), FreezeState::Live)]);
    bench.journal.freeze_released("f1").unwrap();
    bench.journal.freeze_released("f2").unwrap();
    assert_eq!(states(&bench), []);
}

#[test]
fn old_runs_are_forgotten() {
    let bench = Bench::new();
    let first = bench.journal.begin_run(&[], 10).unwrap();
    bench.journal.fail_run(first.id, "x", 11).unwrap();
    for _ in 0..101 {
        let run = bench.journal.begin_run(&[], 10).unwrap();
        bench.journal.fail_run(run.id, "x", 11).unwrap();
    }
    assert!(bench.journal.run(first.id).is_err());
}
