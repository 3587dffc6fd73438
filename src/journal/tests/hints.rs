//! Hints are merged by widening and forgotten only behind a cut.

use proptest::prelude::*;

use super::*;

fn shallow(dir: &str, names: &[&str], now_ms: i64) -> HintRow {
    let names = names.iter().map(|name| name.as_bytes().to_vec()).collect();
    HintRow { dir: path(dir), recursive: false, names, reason: "event".into(), now_ms }
}

fn recursive(dir: &str, now_ms: i64) -> HintRow {
    HintRow { recursive: true, reason: "overflow".into(), ..shallow(dir, &[], now_ms) }
}

fn waiting(bench: &Bench) -> Vec<Hint> {
    bench.journal.hints_upto("home", Cut { seq: i64::MAX as u64 }).unwrap()
}

fn dirs(hints: &[Hint]) -> Vec<String> {
    hints.iter().map(|hint| String::from_utf8_lossy(hint.dir.as_bytes()).into_owned()).collect()
}

#[test]
fn hints_of_one_directory_become_one_that_is_as_wide_as_all() {
    let bench = Bench::new();
    let add = |hints: &[HintRow]| bench.journal.add_hints("home", hints).unwrap();
    add(&[shallow("a", &["y", "x"], 20), shallow("a", &["z", "x"], 10)]);
    let [hint] = &waiting(&bench)[..] else { panic!() };
    assert_eq!((hint.recursive, hint.first_ms, hint.names.concat()), (false, 10, b"xyz".to_vec()));
    add(&[shallow("a", &[], 30)]);
    add(&[shallow("a", &["w"], 30)]);
    assert_eq!(waiting(&bench)[0].names, Vec::<Vec<u8>>::new());
    add(&[recursive("a", 40), shallow("a", &["w"], 50)]);
    assert!(waiting(&bench)[0].recursive);
    assert_eq!(bench.journal.pending("home").unwrap(), Pending { count: 1, oldest_first_ms: Some(10) });
    assert_eq!(bench.journal.pending("work").unwrap(), Pending::default());
}

#[test]
fn too_many_names_mean_any_name() {
    let bench = Bench::new();
    let names: Vec<String> = (0..257).map(|number| number.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    bench.journal.add_hints("home", &[shallow("a", &names[..256], 1), shallow("b", &names, 1)]).unwrap();
    let lengths: Vec<_> = waiting(&bench).iter().map(|hint| hint.names.len()).collect();
    assert_eq!(lengths, [256, 0]);
}

#[test]
fn a_recursive_hint_stands_for_those_below_and_keeps_the_oldest_time() {
    let bench = Bench::new();
    let add = |hints: &[HintRow]| bench.journal.add_hints("home", hints).unwrap();
    add(&[shallow("a/b", &[], 5), shallow("ab", &[], 6), shallow("a0", &[], 7), shallow("a", &["x"], 8)]);
    add(&[recursive("a", 9)]);
    assert_eq!(dirs(&waiting(&bench)), ["a", "a0", "ab"]);
    assert_eq!(waiting(&bench)[0].first_ms, 5);
    add(&[shallow("a/b/c", &[], 10)]);
    assert_eq!(dirs(&waiting(&bench)), ["a", "a0", "ab"]);
    add(&[recursive("", 11)]);
    assert_eq!(dirs(&waiting(&bench)), [""]);
    assert_eq!(waiting(&bench)[0].first_ms, 5);
}

#[test]
fn after_the_wall_clock_jumped_back_an_older_hint_is_not_hidden() {
    let bench = Bench::new();
    bench.journal.add_hints("home", &[recursive("a", 100), shallow("a/b", &[], 50)]).unwrap();
    assert_eq!(bench.journal.pending("home").unwrap().oldest_first_ms, Some(50));
}

#[test]
fn what_is_touched_after_the_cut_survives_the_run() {
    let bench = Bench::new();
    bench.journal.add_hints("home", &[shallow("a", &["x"], 10), shallow("b", &[], 11)]).unwrap();
    bench.journal.add_hints("work", &[shallow("c", &[], 12)]).unwrap();
    let run = bench.journal.begin_run(&["home", "work"], 20).unwrap();
    bench.journal.add_hints("home", &[shallow("a", &["y"], 30)]).unwrap();
    assert_eq!(dirs(&bench.journal.hints_upto("home", run.cut).unwrap()), ["a", "b"]);
    // `work` could not be covered
    bench.finish(run.id, None, &["home"]);
    let left = waiting(&bench);
    assert_eq!((dirs(&left), left[0].names.concat(), left[0].first_ms), (vec!["a".into()], b"y".to_vec(), 30));
    assert_eq!(bench.journal.pending("work").unwrap().count, 1);
}

#[test]
fn a_recursive_hint_before_the_cut_does_not_hide_a_touch_after_it() {
    let bench = Bench::new();
    bench.journal.add_hints("home", &[recursive("a", 10)]).unwrap();
    let run = bench.journal.begin_run(&["home"], 20).unwrap();
    bench.journal.add_hints("home", &[shallow("a/b", &[], 30)]).unwrap();
    bench.finish(run.id, None, &["home"]);
    assert_eq!(dirs(&waiting(&bench)), ["a/b"]);
}

#[test]
fn the_hints_of_failed_runs_are_folded_into_the_next() {
    let bench = Bench::new();
    for round in 0..5 {
        bench.journal.add_hints("home", &[shallow("a", &["x"], 10 + round)]).unwrap();
        let run = bench.journal.begin_run(&["home"], 20).unwrap();
        bench.journal.fail_run(run.id, "the target is full", 21).unwrap();
    }
    bench.journal.add_hints("home", &[recursive("a", 30)]).unwrap();
    let run = bench.journal.begin_run(&["home"], 40).unwrap();
    let [hint] = &bench.journal.hints_upto("home", run.cut).unwrap()[..] else { panic!() };
    assert_eq!((hint.recursive, hint.first_ms), (true, 10));
}

#[test]
fn a_directory_that_changes_again_and_again_waits_once() {
    let bench = Bench::new();
    let add = |dir: &str, now| bench.journal.add_hints("home", &[shallow(dir, &["x"], now)]).unwrap();
    assert_eq!((add("a", 1), add("a", 2), add("b", 3), add("a", 4)), (1, 0, 1, 0));
    let run = bench.journal.begin_run(&["home"], 5).unwrap();
    assert_eq!(add("a", 6), 1, "after the cut it waits for the next run");
    assert_eq!(bench.journal.pending("home").unwrap().count, 2);
    bench.journal.fail_run(run.id, "the target is full", 7).unwrap();
    assert_eq!(bench.journal.pending("home").unwrap().count, 2);
}

#[test]
fn hints_for_an_unknown_root_are_an_error() {
    let bench = Bench::new();
    let error = bench.journal.add_hints("nope", &[shallow("a", &[], 1)]).unwrap_err();
    assert!(matches!(error, JournalError::UnknownRoot { .. }));
}

#[derive(Clone, Debug)]
enum Step {
    Touch { dir: usize, recursive: bool },
    Begin,
    Finish,
    Fail,
}

const DIRS: [&str; 7] = ["", "a", "a/b", "a/b/c", "a/d", "a0", "e"];

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..DIRS.len(), any::<bool>()).prop_map(|(dir, recursive)| Step::Touch { dir, recursive }),
        1 => Just(Step::Begin),
        1 => Just(Step::Finish),
        1 => Just(Step::Fail),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// The naive model remembers every single touch with its time and forgets those before the cut of a finished run.
    #[test]
    fn every_touch_is_covered_until_a_run_that_cut_after_it_has_finished(
        steps in proptest::collection::vec(step(), 1..40)
    ) {
        let bench = Bench::new();
        let mut touches: Vec<(usize, bool, i64)> = Vec::new();
        let mut run: Option<(Run, usize)> = None;
        for (now, step) in (100i64..).zip(steps) {
            match (step, run) {
                (Step::Touch { dir, recursive: deep }, _) => {
                    let hint = if deep { recursive(DIRS[dir], now) } else { shallow(DIRS[dir], &["n"], now) };
                    bench.journal.add_hints("home", &[hint]).unwrap();
                    touches.push((dir, deep, now));
                }
                (Step::Begin, None) => {
                    run = Some((bench.journal.begin_run(&["home"], now).unwrap(), touches.len()));
                }
                (Step::Finish, Some((begun, covered))) => {
                    bench.finish(begun.id, None, &["home"]);
                    touches.drain(..covered);
                    run = None;
                }
                (Step::Fail, Some((begun, _))) => {
                    bench.journal.fail_run(begun.id, "test", now).unwrap();
                    run = None;
                }
                _ => {}
            }
            let hints = waiting(&bench);
            for (dir, deep, _) in &touches {
                let dir = path(DIRS[*dir]);
                let covers = |hint: &Hint| {
                    hint.dir == dir && (hint.recursive || !deep) || hint.recursive && dir.is_within(&hint.dir)
                };
                prop_assert!(hints.iter().any(covers), "{dir:?} {touches:?} {hints:?}");
            }
            let oldest = touches.iter().map(|(_, _, at)| *at).min();
            prop_assert_eq!(bench.journal.pending("home").unwrap().oldest_first_ms, oldest);
        }
    }
}
