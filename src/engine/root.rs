//! One root: what waits, what is known, and how far its recovery point may go.

use std::time::Duration;

use super::pending::Pending;
use super::{Covered, Cut, HintSeq, Now};
use crate::config::RunConfig;
use crate::model::{Problem, ProblemCode, RootId, Timestamp};
use crate::status::{Coverage, PathText, SnapshotStatus};

/// A root that is not there is looked for so often.
const PROBE_EVERY: Duration = Duration::from_secs(30);
/// A full comparison "in the future" by more than this means that the clock was wrong then: do it again.
const CLOCK_SLACK_SECS: i64 = 3600;
/// More problems of one root are counted, not kept.
const MAX_PROBLEMS: usize = 100;

/// A root as the journal knows it when the agent starts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KnownRoot {
    pub id: RootId,
    pub path: PathText,
    /// Hints left from before: how many, and the newest.
    pub pending: Option<(u64, HintSeq)>,
    pub recovery_point: Option<Timestamp>,
    pub last_audit: Option<Timestamp>,
    pub last_snapshot: Option<SnapshotStatus>,
    pub entries: u64,
    pub bytes: u64,
    /// By the last full comparison, if one has told.
    pub missed_by_last_audit: Option<u64>,
    /// `true` unless the filesystem can tell what changed while nobody watched.
    pub needs_audit: bool,
}

#[derive(Debug)]
pub(super) struct Root {
    pub(super) known: KnownRoot,
    pub(super) pending: Pending,
    pub(super) coverage: Coverage,
    pub(super) unavailable: Option<Problem>,
    pub(super) problems: Vec<Problem>,
    pub(super) more_problems: u64,
    pub(super) missed_by_watcher: u64,
    /// Nothing was missed since the cut of a full comparison that has succeeded.
    trusted: bool,
    /// Counts doubts, to see whether one came during a run.
    doubts: u64,
    audit_wanted: bool,
    /// Doubt during an audit must not make audits follow each other without end.
    audit_not_before: Duration,
    next_probe: Duration,
}

/// What a run took over from a root at its cut.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) pending: Pending,
    doubts: u64,
}

impl Root {
    pub(super) fn new(known: KnownRoot, now: Now) -> Self {
        let audit_wanted = known.needs_audit || known.recovery_point.is_none();
        let mut pending = Pending::default();
        if let Some((count, newest)) = known.pending {
            pending.add(count, newest, now.mono);
        }
        Self {
            known,
            pending,
            audit_wanted,
            trusted: !audit_wanted,
            coverage: Coverage::default(),
            unavailable: None,
            problems: Vec::new(),
            more_problems: 0,
            missed_by_watcher: 0,
            doubts: 0,
            audit_not_before: Duration::ZERO,
            next_probe: now.mono,
        }
    }

    pub(super) fn id(&self) -> &RootId {
        &self.known.id
    }

    pub(super) fn doubt(&mut self) {
        self.doubts += 1;
        self.trusted = false;
        self.audit_wanted = true;
    }

    /// Nothing but this process knows of some changes: they are not left to wait.
    pub(super) fn lose_hints(&mut self) {
        self.doubt();
        self.audit_not_before = Duration::ZERO;
    }

    /// Nothing is safe until it has been stored again.
    pub(super) fn lose_stored(&mut self) {
        self.lose_hints();
        self.known.recovery_point = None;
        self.known.last_snapshot = None;
    }

    /// Both the beginning and the end of a blind spot ask for a full comparison.
    pub(super) fn set_coverage(&mut self, coverage: Coverage) {
        if coverage.doubts != self.coverage.doubts {
            self.doubt();
        }
        self.coverage = coverage;
    }

    pub(super) fn lose(&mut self, problem: Problem, now: Now) {
        self.doubt();
        self.unavailable = Some(problem);
        self.next_probe = now.mono + PROBE_EVERY;
    }

    pub(super) fn find(&mut self) {
        if self.unavailable.take().is_some() {
            self.doubt();
        }
    }

    /// Should it be looked for now? Answers yes once in a while.
    pub(super) fn probe(&mut self, now: Now) -> bool {
        let due = self.unavailable.is_some() && now.mono >= self.next_probe;
        if due {
            self.next_probe = now.mono + PROBE_EVERY;
        }
        due
    }

    pub(super) fn probe_at(&self) -> Option<Duration> {
        self.unavailable.as_ref().map(|_| self.next_probe)
    }

    pub(super) fn lower_recovery_point(&mut self, wall: Timestamp) {
        self.known.recovery_point = self.known.recovery_point.map(|point| point.min(wall));
    }

    /// Never stored as a whole.
    pub(super) fn is_new(&self) -> bool {
        self.known.recovery_point.is_none()
    }

    /// No known change waits and no doubt is open.
    pub(super) fn is_up_to_date(&self) -> bool {
        self.trusted && self.pending.is_empty() && self.unavailable.is_none() && self.coverage.doubts.is_empty()
    }

    /// When a full comparison is due, in monotonic time.
    pub(super) fn audit_due(&self, run: &RunConfig, now: Now) -> Duration {
        let period =
            if self.coverage.doubts.is_empty() { run.audit_every } else { run.poll_every.min(run.audit_every) };
        let by_period = match self.known.last_audit {
            None => Duration::ZERO,
            Some(last) if last.secs > now.wall.secs.saturating_add(CLOCK_SLACK_SECS) => Duration::ZERO,
            Some(last) => {
                let passed = u64::try_from(now.wall.secs.saturating_sub(last.secs)).unwrap_or(0);
                now.mono + period.saturating_sub(Duration::from_secs(passed))
            }
        };
        let due = if self.audit_wanted { Duration::ZERO } else { by_period };
        due.max(self.audit_not_before)
    }

    /// When a run is due for whatever reason; `None` while the root is not there.
    pub(super) fn due(&self, run: &RunConfig, now: Now) -> Option<Duration> {
        if self.unavailable.is_some() {
            return None;
        }
        let audit = self.audit_due(run, now);
        Some(self.pending.due(run.settle, run.max_delay).map_or(audit, |hints| hints.min(audit)))
    }

    pub(super) fn cut(&mut self, cut: Cut) -> Taken {
        Taken { pending: self.pending.take_upto(cut.newest), doubts: self.doubts }
    }

    /// The run stored it, `taken` included: the only place where a recovery point moves up.
    pub(super) fn stored(&mut self, taken: Taken, cut: Cut, full: bool, covered: Covered, pause: Duration, now: Now) {
        let doubtless = self.doubts == taken.doubts;
        if full {
            self.known.last_audit = Some(cut.at);
            self.audit_wanted = !doubtless;
            self.trusted = doubtless && self.coverage.doubts.is_empty();
            self.audit_not_before = now.mono + pause;
            self.missed_by_watcher += covered.missed_by_watcher;
            self.known.missed_by_last_audit = Some(covered.missed_by_watcher);
        }
        if full || (self.trusted && doubtless) {
            self.known.recovery_point = Some(cut.at);
        }
        (self.known.entries, self.known.bytes) = (covered.entries, covered.bytes);
        self.set_problems(full, covered.problems);
    }

    /// A full comparison has seen all problems that there are; another run only some.
    fn set_problems(&mut self, full: bool, found: Vec<Problem>) {
        if full {
            self.problems.clear();
            self.more_problems = 0;
        }
        for problem in found {
            self.problems.retain(|old| (old.code, &old.path) != (problem.code, &problem.path));
            match self.problems.len() < MAX_PROBLEMS {
                true => self.problems.push(problem),
                false => self.more_problems += 1,
            }
        }
    }

    /// Why the watcher is doubtful, for people.
    pub(super) fn coverage_problem(&self) -> Option<Problem> {
        let first = self.coverage.doubts.first()?;
        Some(Problem::new(
            ProblemCode::WatchIncomplete,
            &self.known.path.to_bytes().unwrap_or_default(),
            format!("changes may be noticed late: {first}"),
            "nothing is lost: the whole root is compared from time to time (`run.poll_every`); see docs/config.md",
        ))
    }
}
