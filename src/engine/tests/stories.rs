//! One behaviour each, told as events and the effects that must follow.

use std::time::Duration;

use crate::config::RunConfig;
use crate::engine::*;
use crate::model::{Problem, ProblemCode, RootId, Seq, Timestamp};
use crate::status::{Agent, BackupAnswer, Coverage, PathText, RootState, RunReason, Target};

/// An engine with roots `a` and `b`, both stored once, and a clock to turn.
struct Story {
    engine: Engine,
    now: Now,
    seq: u64,
}

impl Story {
    fn new() -> Self {
        let mut story = Self::bare(false);
        assert_eq!(story.tell(Event::Started).iter().filter(|e| matches!(e, Effect::StartRun { .. })).count(), 0);
        story
    }

    fn bare(needs_audit: bool) -> Self {
        let now = Now { mono: Duration::from_secs(1000), wall: Timestamp::new(1_000_000, 0) };
        let settings =
            Settings { version: "1".into(), repository: "file:///r".into(), run: RunConfig::default(), seed: 1 };
        let roots = ["a", "b"].map(|id| known(id, needs_audit));
        Self { engine: Engine::new(settings, roots.to_vec(), now), now, seq: 0 }
    }

    fn tell(&mut self, event: Event) -> Vec<Effect> {
        self.engine.apply(event, self.now)
    }

    fn pass(&mut self, seconds: u64) -> Vec<Effect> {
        self.now.mono += Duration::from_secs(seconds);
        self.now.wall.secs += seconds as i64;
        self.tell(Event::Tick)
    }

    fn change(&mut self, root: &str) -> Vec<Effect> {
        self.seq += 1;
        self.tell(Event::HintsStored { root: id(root), count: 1, newest: HintSeq(self.seq) })
    }

    fn cut(&mut self) {
        let cut = Cut { newest: HintSeq(self.seq), at: self.now.wall };
        self.tell(Event::CutTaken(cut));
    }

    fn done(&mut self, roots: &[&str]) -> Vec<Effect> {
        let result = |root: &&str| RootResult { root: id(root), result: Ok(Covered::default()) };
        let roots = roots.iter().map(result).collect();
        self.tell(Event::RunFinished(Outcome::Done { snapshot: Some(Seq(9)), roots, problems: vec![] }))
    }

    fn target_fails(&mut self) -> Vec<Effect> {
        self.tell(Event::RunFinished(Outcome::TargetFailed { message: "gone".into(), remedy: "look".into() }))
    }

    fn root(&self, root: &str) -> crate::status::RootStatus {
        self.engine.status(self.now).roots.into_iter().find(|r| r.id == id(root)).unwrap()
    }

    fn is_away(&mut self, root: &str) -> Vec<Effect> {
        self.tell(Event::RootUnavailable { root: id(root), problem: gone() })
    }

    fn request(&mut self, root: &str, wait: u64) -> Vec<Effect> {
        self.tell(Event::BackupRequested { roots: vec![id(root)], full: false, wait: Some(WaitId(wait)) })
    }
}

fn id(text: &str) -> RootId {
    text.parse().unwrap()
}

fn known(root: &str, needs_audit: bool) -> KnownRoot {
    KnownRoot {
        id: id(root),
        path: PathText::from(root.as_bytes()),
        pending: None,
        recovery_point: (!needs_audit).then_some(Timestamp::new(999_000, 0)),
        last_audit: (!needs_audit).then_some(Timestamp::new(999_000, 0)),
        last_snapshot: None,
        entries: 0,
        bytes: 0,
        missed_by_last_audit: None,
        needs_audit,
    }
}

fn started(effects: &[Effect]) -> Option<(RunReason, Vec<(String, bool)>)> {
    effects.iter().find_map(|effect| match effect {
        Effect::StartRun { reason, roots } => {
            Some((*reason, roots.iter().map(|plan| (plan.root.to_string(), plan.full)).collect()))
        }
        _ => None,
    })
}

fn answers(effects: &[Effect]) -> Vec<(u64, BackupAnswer)> {
    let answer = |effect: &Effect| match effect {
        Effect::Answer { wait, answer } => Some((wait.0, answer.clone())),
        _ => None,
    };
    effects.iter().filter_map(answer).collect()
}

fn timer(effects: &[Effect]) -> Option<u64> {
    effects.iter().find_map(|effect| match effect {
        Effect::ArmTimer(at) => Some(at.as_secs()),
        _ => None,
    })
}

fn gone() -> Problem {
    Problem::new(ProblemCode::RootUnavailable, b"/a", "not there", "mount it")
}

#[test]
fn a_run_starts_when_changes_have_settled() {
    let mut story = Story::new();
    assert_eq!(timer(&story.change("a")), Some(1010));
    assert_eq!(story.root("a").state, RootState::Settling { until: Timestamp::new(1_000_010, 0) });
    assert_eq!(started(&story.pass(5)), None);
    assert_eq!(timer(&story.change("a")), Some(1015));
    assert_eq!(started(&story.pass(9)), None);
    assert_eq!(started(&story.pass(1)), Some((RunReason::Changes, vec![("a".into(), false)])));
    assert_eq!(story.root("a").state, RootState::Running);
}

#[test]
fn changes_without_a_pause_do_not_delay_a_run_for_ever() {
    let mut story = Story::new();
    let first = story.now.mono.as_secs();
    loop {
        let effects = [story.change("a"), story.pass(5)].concat();
        if started(&effects).is_some() {
            break;
        }
    }
    assert_eq!(story.now.mono.as_secs() - first, 300);
}

#[test]
fn a_first_backup_starts_at_once_and_gives_the_recovery_point_of_its_cut() {
    let mut story = Story::bare(true);
    let roots = vec![("a".into(), true), ("b".into(), true)];
    assert_eq!(started(&story.tell(Event::Started)), Some((RunReason::First, roots)));
    story.pass(10);
    story.cut();
    story.pass(600);
    assert_eq!(story.root("a").recovery_point, None);
    story.tell(Event::PartialStored { seq: Seq(1) });
    assert!(story.root("a").last_snapshot.unwrap().partial);
    story.done(&["a", "b"]);
    assert_eq!(story.root("a").recovery_point, Some(Timestamp::new(1_000_010, 0)));
    assert!(story.root("a").up_to_date && !story.root("a").last_snapshot.unwrap().partial);
}

#[test]
fn hints_after_the_cut_wait_for_the_next_run() {
    let mut story = Story::new();
    story.change("a");
    story.pass(10);
    story.cut();
    story.change("a");
    assert_eq!(timer(&story.done(&["a"])), Some(1020));
    assert_eq!((story.root("a").pending_hints, story.root("a").up_to_date), (1, false));
}

#[test]
fn hints_of_a_run_that_failed_come_back_and_one_outage_is_one_problem() {
    let mut story = Story::new();
    story.change("a");
    story.pass(10);
    let since = story.now.wall;
    let mut waits = Vec::new();
    for _ in 0..6 {
        story.cut();
        let at = timer(&story.target_fails()).unwrap() - story.now.mono.as_secs();
        waits.push(at);
        assert_eq!(story.root("a").pending_hints, 1);
        let status = story.engine.status(story.now);
        assert_eq!((status.problems.len(), story.engine.trouble()), (1, status.problems.first()));
        assert!(matches!(status.target, Target::Down { since: s, next_try: Some(_), .. } if s == since));
        assert!(started(&story.pass(at + 1)).is_some());
    }
    assert!(waits[5] > 4 * waits[0], "{waits:?}");
    story.cut();
    story.done(&["a"]);
    let status = story.engine.status(story.now);
    assert_eq!((status.target, status.problems.len()), (Target::Up, 0));
}

#[test]
fn a_person_does_not_wait_for_the_next_retry() {
    let mut story = Story::new();
    story.change("a");
    story.pass(10);
    story.target_fails();
    let effects = story.request("b", 1);
    assert_eq!(started(&effects), Some((RunReason::Requested, vec![("a".into(), false), ("b".into(), false)])));
    let effects = story.target_fails();
    assert!(matches!(&answers(&effects)[..], [(1, BackupAnswer::Failed { .. })]));
}

#[test]
fn a_request_during_a_run_waits_for_one_that_begins_after_it() {
    let mut story = Story::new();
    story.change("a");
    story.pass(10);
    story.cut();
    assert_eq!(started(&story.request("a", 7)), None);
    let effects = story.done(&["a"]);
    assert!(answers(&effects).is_empty() && started(&effects).is_some());
    story.cut();
    let effects = story.done(&["a"]);
    assert_eq!(answers(&effects), [(7, BackupAnswer::Done { snapshot: Some(Seq(9)), problems: vec![] })]);
}

#[test]
fn requests_that_cannot_be_met_are_answered_at_once() {
    let mut story = Story::new();
    assert_eq!(answers(&story.request("zz", 1)), [(1, BackupAnswer::UnknownRoot { root: id("zz") })]);
    story.tell(Event::Pause { length: None });
    assert_eq!(answers(&story.request("b", 3)), [(3, BackupAnswer::Paused)]);
    assert!(story.tell(Event::Stop).contains(&Effect::Exit));
    assert_eq!(answers(&story.request("b", 4)), [(4, BackupAnswer::Stopping)]);
}

#[test]
fn a_request_looks_for_roots_that_are_away_and_its_answer_names_those_that_still_are() {
    let mut story = Story::new();
    story.is_away("a");
    let all = |wait| Event::BackupRequested { roots: vec![], full: false, wait: Some(WaitId(wait)) };
    let effects = story.tell(all(1));
    assert!(effects.contains(&Effect::ProbeRoot(id("a"))) && started(&effects).is_none());
    assert!(!story.tell(all(2)).contains(&Effect::ProbeRoot(id("a"))), "it is being looked for");
    assert_eq!(started(&story.is_away("a")), Some((RunReason::Requested, vec![("b".into(), false)])));
    story.cut();
    story.tell(Event::RootAvailable { root: id("a") });
    let answer = BackupAnswer::Done { snapshot: Some(Seq(9)), problems: vec![gone()] };
    assert_eq!(answers(&story.done(&["b"])), [(1, answer.clone()), (2, answer)], "it came back too late for this run");
}

#[test]
fn a_root_that_came_back_is_stored_by_the_request_that_looks_for_it() {
    let mut story = Story::new();
    story.is_away("a");
    story.request("a", 1);
    let effects = story.tell(Event::RootAvailable { root: id("a") });
    assert_eq!(started(&effects), Some((RunReason::Requested, vec![("a".into(), true)])));
}

#[test]
fn a_request_for_what_is_away_is_refused_and_waits_for_no_look_that_does_not_end() {
    let mut story = Story::new();
    story.is_away("a");
    story.request("a", 1);
    let refused = |wait| [(wait, BackupAnswer::Failed { problem: gone() })];
    assert_eq!(answers(&story.is_away("a")), refused(1));
    assert_eq!(timer(&story.request("a", 2)), Some(1005));
    assert_eq!(answers(&story.pass(5)), refused(2));
    story.request("a", 3);
    assert_eq!(answers(&story.tell(Event::Pause { length: None })), [(3, BackupAnswer::Paused)]);
}

#[test]
fn a_pause_cancels_the_run_keeps_the_hints_and_ends_by_itself() {
    let mut story = Story::new();
    story.change("a");
    story.pass(10);
    story.cut();
    story.request("a", 1);
    let effects = story.tell(Event::Pause { length: Some(Duration::from_secs(60)) });
    assert!(effects.contains(&Effect::CancelRun));
    assert_eq!((answers(&effects), timer(&effects)), (vec![(1, BackupAnswer::Paused)], Some(1070)));
    story.tell(Event::RunFinished(Outcome::Cancelled));
    assert_eq!((story.root("a").state, story.root("a").pending_hints), (RootState::Paused, 1));
    assert_eq!(started(&story.pass(59)), None);
    assert!(matches!(story.engine.status(story.now).agent, Agent::Paused { until: Some(_) }));
    assert!(started(&story.pass(1)).is_some());
}

#[test]
fn a_pause_longer_than_time_itself_lasts_until_it_is_ended() {
    let mut story = Story::new();
    story.tell(Event::Pause { length: Some(Duration::MAX) });
    story.pass(1_000_000);
    assert!(matches!(story.engine.status(story.now).agent, Agent::Paused { .. }));
    story.tell(Event::Resume);
    assert_eq!(story.engine.status(story.now).agent, Agent::Watching);
}

#[test]
fn a_stop_waits_for_the_run_to_end() {
    let mut story = Story::new();
    story.request("a", 1);
    let effects = story.tell(Event::Stop);
    assert!(effects.contains(&Effect::CancelRun) && !effects.contains(&Effect::Exit));
    assert_eq!(answers(&effects), [(1, BackupAnswer::Stopping)]);
    assert!(story.tell(Event::RunFinished(Outcome::Cancelled)).contains(&Effect::Exit));
}

#[test]
fn doubt_stops_the_recovery_point_until_a_full_comparison_has_closed_it() {
    let mut story = Story::new();
    story.change("a");
    story.pass(10);
    story.cut();
    let before = story.root("a").recovery_point;
    assert_eq!(started(&story.tell(Event::Doubt { root: id("a") })), None, "one run at a time");
    let effects = story.done(&["a"]);
    assert_eq!(story.root("a").recovery_point, before, "the doubt may be about the time before the cut");
    assert!(!story.root("a").up_to_date);
    assert_eq!(started(&effects), Some((RunReason::Audit, vec![("a".into(), true)])));
    story.pass(5);
    story.cut();
    story.done(&["a"]);
    assert_eq!(story.root("a").recovery_point, Some(story.now.wall));
    assert!(story.root("a").up_to_date);
}

#[test]
fn while_the_watcher_is_partly_blind_only_full_comparisons_move_the_recovery_point() {
    let mut story = Story::new();
    let blind = Coverage { watched: 1, total: 2, doubts: vec!["limit".into()] };
    let effects = story.tell(Event::Coverage { root: id("a"), coverage: blind });
    assert!(started(&effects).is_some());
    story.cut();
    story.done(&["a"]);
    let by_audit = story.root("a").recovery_point;
    assert_eq!(by_audit, Some(story.now.wall));
    story.change("a");
    story.pass(10);
    story.cut();
    let effects = story.done(&["a"]);
    assert_eq!((story.root("a").recovery_point, story.root("a").up_to_date), (by_audit, false));
    assert_eq!(timer(&effects), Some(1000 + 3600), "run.poll_every after the last full comparison");
    assert_eq!(story.engine.status(story.now).problems[0].code, ProblemCode::WatchIncomplete);
}

#[test]
fn doubt_that_never_ends_does_not_make_audits_follow_each_other_at_once() {
    let mut story = Story::new();
    assert!(started(&story.tell(Event::Doubt { root: id("a") })).is_some());
    story.cut();
    story.tell(Event::Doubt { root: id("a") });
    let effects = story.done(&["a"]);
    assert_eq!((started(&effects), timer(&effects)), (None, Some(1300)));
    assert!(started(&story.pass(300)).is_some());
}

#[test]
fn what_the_target_has_lost_is_not_safe_until_it_is_stored_again() {
    let mut story = Story::new();
    assert!(story.root("a").recovery_point.is_some());
    let effects = story.tell(Event::StoredLost { root: id("a") });
    assert_eq!(started(&effects), Some((RunReason::First, vec![("a".into(), true)])));
    assert_eq!((story.root("a").recovery_point, story.root("a").last_snapshot.clone()), (None, None));
    story.cut();
    let failed = Outcome::TargetFailed { message: "full".into(), remedy: "make room".into() };
    story.tell(Event::RunFinished(failed));
    assert_eq!((story.root("a").recovery_point, story.root("a").up_to_date), (None, false));
    story.pass(4000);
    story.cut();
    story.done(&["a"]);
    assert_eq!(story.root("a").recovery_point, Some(story.now.wall));
}

/// Nothing but the agent knows of them, so that it must not wait, and say meanwhile that it waits for changes.
#[test]
fn hints_that_could_not_be_kept_are_made_up_for_at_once() {
    let mut story = Story::new();
    assert!(started(&story.tell(Event::Doubt { root: id("a") })).is_some());
    story.cut();
    assert_eq!(started(&story.done(&["a"])), None);
    let before = story.root("a").recovery_point;
    let effects = story.tell(Event::HintsLost { root: id("a") });
    assert_eq!(started(&effects), Some((RunReason::Audit, vec![("a".into(), true)])));
    assert_eq!((story.root("a").recovery_point, story.root("a").up_to_date), (before, false));
}

#[test]
fn a_full_comparison_comes_once_a_day_and_when_the_clock_was_wrong() {
    let mut story = Story::new();
    story.now.wall.secs += 24 * 3600 - 2000;
    assert_eq!(started(&story.pass(999)), None);
    let both = vec![("a".into(), true), ("b".into(), true)];
    assert_eq!(started(&story.pass(1)), Some((RunReason::Audit, both.clone())));
    story.cut();
    story.done(&["a", "b"]);
    story.now.wall.secs -= 48 * 3600;
    assert_eq!(story.root("a").recovery_point, Some(story.now.wall), "nothing is promised for times to come");
    assert_eq!(started(&story.pass(300)), Some((RunReason::Audit, both)));
    story.cut();
    story.done(&["a", "b"]);
    assert_eq!(story.root("a").recovery_point, Some(story.now.wall));
}

#[test]
fn a_root_that_is_gone_keeps_its_hints_is_looked_for_and_compared_when_it_is_back() {
    let mut story = Story::new();
    story.change("a");
    let effects = story.tell(Event::RootUnavailable { root: id("a"), problem: gone() });
    assert_eq!(timer(&effects), Some(1030));
    assert!(matches!(story.root("a").state, RootState::Unavailable { .. }));
    let effects = story.pass(30);
    assert!(effects.contains(&Effect::ProbeRoot(id("a"))) && started(&effects).is_none());
    assert_eq!(story.root("a").pending_hints, 1);
    let effects = story.tell(Event::RootAvailable { root: id("a") });
    assert_eq!(started(&effects), Some((RunReason::Audit, vec![("a".into(), true)])));
}

#[test]
fn a_root_that_vanishes_during_a_run_does_not_hold_up_the_others() {
    let mut story = Story::new();
    story.change("a");
    story.change("b");
    story.pass(10);
    story.cut();
    let roots = vec![
        RootResult { root: id("a"), result: Err(gone()) },
        RootResult { root: id("b"), result: Ok(Covered { entries: 5, ..Covered::default() }) },
    ];
    story.tell(Event::RunFinished(Outcome::Done { snapshot: Some(Seq(3)), roots, problems: vec![] }));
    assert_eq!((story.root("a").pending_hints, story.root("b").pending_hints), (1, 0));
    assert_eq!(story.root("b").recovery_point, Some(story.now.wall));
    assert_eq!(story.root("a").recovery_point, Some(Timestamp::new(999_000, 0)));
}

#[test]
fn a_run_that_sent_nothing_does_not_say_that_the_target_is_back() {
    let mut story = Story::new();
    story.tell(Event::TargetDown { message: "gone".into(), remedy: "look".into() });
    story.request("a", 1);
    story.cut();
    story.tell(Event::RunFinished(Outcome::Done {
        snapshot: None,
        roots: vec![RootResult { root: id("a"), result: Ok(Covered::default()) }],
        problems: vec![],
    }));
    assert!(matches!(story.engine.status(story.now).target, Target::Down { .. }));
    story.tell(Event::TargetUp);
    assert_eq!(story.engine.status(story.now).target, Target::Up);
}

#[test]
fn a_repository_that_is_gone_stays_so_through_outages_until_it_is_there_again() {
    let mut story = Story::new();
    let gone = |story: &Story| story.engine.status(story.now).target.is_gone();
    let words = || ("what".to_owned(), "look".to_owned());
    let (message, remedy) = words();
    story.request("a", 1);
    story.cut();
    story.tell(Event::RunFinished(Outcome::RepositoryGone { message, remedy }));
    assert!(gone(&story));
    let (message, remedy) = words();
    story.tell(Event::TargetDown { message, remedy });
    assert!(gone(&story));
    story.tell(Event::TargetUp);
    assert!(!gone(&story));
    story.target_fails();
    assert!(!gone(&story));
}

#[test]
fn a_second_copy_of_this_machine_is_one_problem_however_often_both_store() {
    let mut story = Story::new();
    let found = |n: u32| {
        let text = format!("snapshots up to {n} were stored by another copy");
        Problem::new(
            ProblemCode::AnotherCopy,
            n.to_string().as_bytes(),
            text,
            "Nothing to do where it was brought back",
        )
    };
    let mut last = None;
    for n in 1..5 {
        story.request("a", u64::from(n));
        story.cut();
        let roots = vec![RootResult { root: id("a"), result: Ok(Covered::default()) }];
        let problems = vec![found(n)];
        story.tell(Event::RunFinished(Outcome::Done { snapshot: Some(Seq(u64::from(n))), roots, problems }));
        let told = story.engine.status(story.now).problems;
        let [told] = &told[..] else { panic!("{told:?}") };
        assert_eq!((told.path.as_str(), told.message.contains("two computers")), (&*n.to_string(), n > 1));
        last = Some(told.clone());
    }
    assert!(last.unwrap().remedy.starts_with("stop one of them"));
}

#[test]
fn problems_of_files_are_replaced_by_a_full_comparison_and_bounded() {
    let mut story = Story::new();
    let problem = |n: u32| Problem::new(ProblemCode::Unreadable, n.to_string().as_bytes(), "denied", "chmod");
    let mut finish = |full: bool, problems: Vec<Problem>| {
        story.tell(Event::BackupRequested { roots: vec![id("a")], full, wait: None });
        story.cut();
        let result = Ok(Covered { problems, ..Covered::default() });
        let roots = vec![RootResult { root: id("a"), result }];
        story.tell(Event::RunFinished(Outcome::Done { snapshot: None, roots, problems: vec![] }));
        let status = story.engine.status(story.now);
        (status.problems.len(), status.more_problems)
    };
    assert_eq!(finish(false, vec![problem(1)]), (1, 0));
    assert_eq!(finish(false, vec![problem(1), problem(2)]), (2, 0));
    assert_eq!(finish(true, (0..150).map(problem).collect()), (100, 50));
    assert_eq!(finish(true, vec![]), (0, 0));
}

#[test]
fn the_watcher_must_be_armed_before_anything_runs() {
    let mut story = Story::bare(true);
    story.change("a");
    story.tell(Event::Pause { length: None });
    assert_eq!(started(&story.tell(Event::Resume)), None);
    assert_eq!(started(&story.pass(9999)), None);
    assert!(started(&story.tell(Event::Started)).is_some());
}

#[test]
fn what_the_watcher_missed_is_added_up_and_shown_for_the_last_full_comparison() {
    let mut story = Story::new();
    for (missed, sum) in [(3, 3), (0, 3), (2, 5)] {
        story.tell(Event::BackupRequested { roots: vec![id("a")], full: true, wait: None });
        story.cut();
        let result = Ok(Covered { missed_by_watcher: missed, ..Covered::default() });
        let roots = vec![RootResult { root: id("a"), result }];
        story.tell(Event::RunFinished(Outcome::Done { snapshot: None, roots, problems: vec![] }));
        let root = story.root("a");
        assert_eq!((root.missed_by_watcher, root.missed_by_last_audit), (sum, Some(missed)));
    }
}

#[test]
fn what_a_run_could_not_read_as_one_state_keeps_its_root_from_being_up_to_date() {
    let mut story = Story::new();
    story.change("a");
    story.pass(10);
    story.cut();
    // told by the run before its end
    story.change("a");
    let effects = story.done(&["a"]);
    assert_eq!((story.root("a").up_to_date, story.root("a").pending_hints), (false, 1));
    assert!(timer(&effects).is_some());
}

#[test]
fn what_a_run_tells_of_the_repository_is_shown_and_answered_and_goes_when_it_is_over() {
    let mut story = Story::new();
    let problem = |code| Problem::new(code, b"", "said", "do");
    let mut finish = |full: bool, problems: Vec<Problem>| {
        story.tell(Event::BackupRequested { roots: vec![id("a")], full, wait: Some(WaitId(1)) });
        story.cut();
        let roots = vec![RootResult { root: id("a"), result: Ok(Covered::default()) }];
        let effects = story.tell(Event::RunFinished(Outcome::Done { snapshot: None, roots, problems }));
        let answered = effects.iter().find_map(|effect| match effect {
            Effect::Answer { answer: BackupAnswer::Done { problems, .. }, .. } => Some(problems.len()),
            _ => None,
        });
        let shown = story.engine.status(story.now).problems;
        (answered, shown.iter().map(|problem| problem.code).collect::<Vec<_>>())
    };
    let (back, passing) = (ProblemCode::WentBack, ProblemCode::Target);
    assert_eq!(finish(true, vec![problem(back), problem(passing)]), (Some(2), vec![back, passing]));
    assert_eq!(finish(false, vec![problem(passing)]), (Some(1), vec![back, passing]));
    assert_eq!(finish(false, vec![]), (Some(0), vec![back]), "it is told only once");
    assert_eq!(finish(true, vec![]), (Some(0), vec![]));
}
