//! Random event lists against a naive model of the world: what really changed, what was hinted, what was stored.
//!
//! The model keeps every change with its time; it knows which are in the target. From that follows the largest
//! recovery point that would be true, and the engine must never show a larger one.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;

use crate::config::RunConfig;
use crate::engine::*;
use crate::model::{Problem, ProblemCode, RootId, Seq, Timestamp};
use crate::status::{Coverage, PathText};

const ROOTS: [&str; 2] = ["a", "b"];

#[derive(Clone, Debug)]
enum Step {
    Change {
        root: usize,
    },
    /// A change that the watcher misses: it always says so.
    Missed {
        root: usize,
    },
    Blind {
        root: usize,
        blind: bool,
    },
    Gone {
        root: usize,
    },
    Back {
        root: usize,
    },
    Cut,
    Finish {
        outcome: u8,
        root_fails: Option<usize>,
    },
    Request {
        root: Option<usize>,
        full: bool,
    },
    Pause {
        length: Option<u64>,
    },
    Resume,
    TargetDown,
    TargetUp,
    Pass {
        seconds: u64,
    },
    ClockJump {
        seconds: i64,
    },
    Stop,
}

fn step() -> impl Strategy<Value = Step> {
    let root = 0..ROOTS.len();
    prop_oneof![
        8 => root.clone().prop_map(|root| Step::Change { root }),
        2 => root.clone().prop_map(|root| Step::Missed { root }),
        1 => (root.clone(), any::<bool>()).prop_map(|(root, blind)| Step::Blind { root, blind }),
        1 => root.clone().prop_map(|root| Step::Gone { root }),
        2 => root.clone().prop_map(|root| Step::Back { root }),
        6 => Just(Step::Cut),
        6 => (0u8..8, prop_oneof![4 => Just(None), 1 => root.clone().prop_map(Some)])
            .prop_map(|(outcome, root_fails)| Step::Finish { outcome, root_fails }),
        2 => (proptest::option::of(root), any::<bool>()).prop_map(|(root, full)| Step::Request { root, full }),
        1 => proptest::option::of(1u64..1000).prop_map(|length| Step::Pause { length }),
        2 => Just(Step::Resume),
        1 => Just(Step::TargetDown),
        1 => Just(Step::TargetUp),
        8 => prop_oneof![4 => 0u64..30, 1 => 0u64..100_000].prop_map(|seconds| Step::Pass { seconds }),
        1 => (-100_000i64..100_000).prop_map(|seconds| Step::ClockJump { seconds }),
    ]
}

#[derive(Clone, Debug)]
struct Change {
    at: i64,
    /// `None`: no hint tells of it.
    hint: Option<u64>,
    stored: bool,
    in_run: bool,
}

#[derive(Default)]
struct Root {
    changes: Vec<Change>,
    blind: bool,
    gone: bool,
    /// Before the engine began nothing was stored: as if all had changed at the beginning of time.
    ever_stored: bool,
}

struct World {
    engine: Engine,
    now: Now,
    seq: u64,
    roots: [Root; 2],
    run: Option<Vec<RootPlan>>,
    cut: bool,
    paused: bool,
    over: bool,
    waiting: BTreeSet<u64>,
    next_wait: u64,
    timer: Option<Duration>,
}

impl World {
    fn new(seed: u64) -> Self {
        let now = Now { mono: Duration::from_secs(5), wall: Timestamp::new(1_000_000, 0) };
        let settings = Settings { version: String::new(), repository: String::new(), run: RunConfig::default(), seed };
        let known = ROOTS.map(|root| KnownRoot {
            id: root.parse().unwrap(),
            path: PathText::from(root.as_bytes()),
            pending: None,
            recovery_point: None,
            last_audit: None,
            last_snapshot: None,
            entries: 0,
            bytes: 0,
            missed_by_last_audit: None,
            needs_audit: false,
        });
        let engine = Engine::new(settings, known.to_vec(), now);
        let (run, waiting, timer) = Default::default();
        let roots = Default::default();
        let mut world = Self {
            engine,
            now,
            seq: 0,
            roots,
            run,
            cut: false,
            paused: false,
            over: false,
            waiting,
            next_wait: 0,
            timer,
        };
        world.tell(Event::Started);
        world
    }

    fn tell(&mut self, event: Event) {
        let resumes = matches!(event, Event::Resume);
        if event == Event::Tick {
            self.timer = None;
        }
        let effects = self.engine.apply(event, self.now);
        self.paused &= !resumes && matches!(self.engine.status(self.now).agent, crate::status::Agent::Paused { .. });
        for effect in effects {
            self.take(effect);
        }
    }

    fn take(&mut self, effect: Effect) {
        match effect {
            Effect::StartRun { roots, .. } => {
                assert!(self.run.is_none(), "two runs");
                assert!(!self.paused && !self.over, "a run while paused or stopping");
                assert!(!roots.is_empty());
                assert!(roots.iter().all(|plan| !self.root(&plan.root).gone), "a root that is gone");
                self.run = Some(roots);
                self.cut = false;
            }
            Effect::Answer { wait, .. } => assert!(self.waiting.remove(&wait.0), "{wait:?} was answered already"),
            Effect::ArmTimer(at) => self.timer = Some(at),
            Effect::Exit => assert!(self.run.is_none() && self.over, "exit too early"),
            Effect::CancelRun => assert!(self.run.is_some(), "nothing to cancel"),
            Effect::ProbeRoot(root) => assert!(self.root(&root).gone),
            Effect::PublishStatus => {}
        }
    }

    fn root(&self, id: &RootId) -> &Root {
        &self.roots[ROOTS.iter().position(|root| *root == id.as_str()).unwrap()]
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Change { root } => self.change(root, true),
            Step::Missed { root } => self.change(root, false),
            Step::Blind { root, blind } => {
                self.roots[root].blind = blind;
                let doubts = if blind { vec!["blind".to_owned()] } else { vec![] };
                let coverage = Coverage { watched: 1, total: 1, doubts };
                self.tell(Event::Coverage { root: id(root), coverage });
            }
            Step::Gone { root } => {
                self.roots[root].gone = true;
                self.tell(Event::RootUnavailable { root: id(root), problem: problem() });
            }
            Step::Back { root } => {
                self.roots[root].gone = false;
                self.tell(Event::RootAvailable { root: id(root) });
            }
            Step::Cut => self.take_cut(),
            Step::Finish { outcome, root_fails } => self.finish(outcome, root_fails),
            Step::Request { root, full } => {
                self.next_wait += 1;
                self.waiting.insert(self.next_wait);
                let roots = root.map(id).into_iter().collect();
                self.tell(Event::BackupRequested { roots, full, wait: Some(WaitId(self.next_wait)) });
            }
            Step::Pause { length } => {
                self.paused = true;
                self.tell(Event::Pause { length: length.map(Duration::from_secs) });
            }
            Step::Resume => self.tell(Event::Resume),
            Step::TargetDown => self.tell(Event::TargetDown { message: "m".into(), remedy: "r".into() }),
            Step::TargetUp => self.tell(Event::TargetUp),
            Step::Pass { seconds } => {
                self.now.mono += Duration::from_secs(seconds);
                self.now.wall.secs += seconds as i64;
                self.tell(Event::Tick);
            }
            Step::ClockJump { seconds } => {
                // a clock set back and forth again between two events is beyond what anybody can see
                self.now.wall.secs += seconds;
                self.tell(Event::Tick);
            }
            Step::Stop => {
                self.over = true;
                self.tell(Event::Stop);
            }
        }
    }

    /// A blind watcher sees only some changes, a gone root none, and neither says so again for each.
    fn change(&mut self, root: usize, seen: bool) {
        let at = self.now.wall.secs;
        let seen = seen && !self.roots[root].gone;
        self.seq += 1;
        let hint = seen.then_some(self.seq);
        self.roots[root].changes.push(Change { at, hint, stored: false, in_run: false });
        if seen {
            self.tell(Event::HintsStored { root: id(root), count: 1, newest: HintSeq(self.seq) });
        } else if !self.roots[root].blind && !self.roots[root].gone {
            self.tell(Event::Doubt { root: id(root) });
        }
    }

    fn take_cut(&mut self) {
        let Some(plans) = self.run.clone().filter(|_| !self.cut) else { return };
        self.cut = true;
        for plan in plans {
            let root = &mut self.roots[ROOTS.iter().position(|r| *r == plan.root.as_str()).unwrap()];
            for change in root.changes.iter_mut().filter(|change| !change.stored) {
                change.in_run = plan.full || change.hint.is_some();
            }
        }
        let cut = Cut { newest: HintSeq(self.seq), at: self.now.wall };
        self.tell(Event::CutTaken(cut));
    }

    fn finish(&mut self, outcome: u8, root_fails: Option<usize>) {
        let Some(plans) = self.run.take() else { return };
        let outcome = match outcome {
            0 => Outcome::TargetFailed { message: "m".into(), remedy: "r".into() },
            1 => Outcome::Failed(problem()),
            2 => Outcome::Cancelled,
            _ if !self.cut => Outcome::Cancelled,
            _ => self.store(plans, root_fails),
        };
        self.roots.iter_mut().for_each(|root| root.changes.iter_mut().for_each(|change| change.in_run = false));
        self.tell(Event::RunFinished(outcome));
    }

    fn store(&mut self, plans: Vec<RootPlan>, root_fails: Option<usize>) -> Outcome {
        let mut roots = Vec::new();
        for plan in plans {
            let index = ROOTS.iter().position(|r| *r == plan.root.as_str()).unwrap();
            let root = &mut self.roots[index];
            let fails = root_fails == Some(index);
            root.gone |= fails;
            if !fails {
                root.ever_stored |= plan.full;
                root.changes.iter_mut().for_each(|change| change.stored |= change.in_run);
            }
            let result = if fails { Err(problem()) } else { Ok(Covered::default()) };
            roots.push(RootResult { root: plan.root, result });
        }
        Outcome::Done { snapshot: Some(Seq(1)), roots, problems: vec![] }
    }

    fn check(&self) {
        let status = self.engine.status(self.now);
        for (root, shown) in self.roots.iter().zip(&status.roots) {
            let unstored = root.changes.iter().filter(|change| !change.stored).map(|change| change.at).min();
            if let Some(point) = shown.recovery_point {
                assert!(root.ever_stored, "nothing was ever stored");
                assert!(unstored.is_none_or(|at| point.secs <= at), "{point:?} promises a change of {unstored:?}");
                assert!(point <= self.now.wall);
            }
            assert!(!shown.up_to_date || unstored.is_none(), "up to date, but a change is not stored");
            let waits = shown.pending_hints > 0 && !root.gone && !self.paused && !self.over;
            assert!(!waits || self.run.is_some() || self.timer.is_some(), "hints wait for nothing");
        }
        assert!(status.problems.iter().filter(|p| p.code == ProblemCode::Target).count() <= 1);
        assert_eq!(status.run.is_some(), self.run.is_some());
    }
}

fn id(root: usize) -> RootId {
    ROOTS[root].parse().unwrap()
}

fn problem() -> Problem {
    Problem::new(ProblemCode::RootUnavailable, b"", "m", "r")
}

/// After all troubles have ended, everything gets stored and everybody has been answered.
fn calm_down(world: &mut World) {
    for root in 0..ROOTS.len() {
        world.step(Step::Blind { root, blind: false });
    }
    world.step(Step::Resume);
    for _ in 0..20 {
        for root in 0..ROOTS.len() {
            world.step(Step::Back { root });
        }
        world.step(Step::Pass { seconds: 4000 });
        world.step(Step::Cut);
        world.step(Step::Finish { outcome: 7, root_fails: None });
        world.check();
    }
    assert!(world.engine.status(world.now).roots.iter().all(|root| root.up_to_date), "not all is stored in the end");
    assert!(world.roots.iter().all(|root| root.changes.iter().all(|change| change.stored)));
    assert!(world.waiting.is_empty(), "unanswered: {:?}", world.waiting);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_invariants_hold_after_every_step(seed: u64, steps in proptest::collection::vec(step(), 0..120)) {
        let mut world = World::new(seed);
        for step in steps {
            world.step(step);
            world.check();
        }
        calm_down(&mut world);
    }

    #[test]
    fn a_stop_at_any_moment_answers_everybody_and_ends(seed: u64, steps in proptest::collection::vec(step(), 0..60)) {
        let mut world = World::new(seed);
        let before = steps.len() / 2;
        for (number, step) in steps.into_iter().enumerate() {
            if number == before {
                world.step(Step::Stop);
            }
            world.step(step);
            world.check();
        }
        world.step(Step::Stop);
        world.step(Step::Finish { outcome: 2, root_fails: None });
        prop_assert!(world.waiting.is_empty() && world.run.is_none());
    }
}
