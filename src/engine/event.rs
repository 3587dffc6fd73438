//! What the engine is told, and what it asks for.

use std::time::Duration;

use crate::model::{Problem, RootId, Seq, Timestamp};
use crate::status::{ArenaUsage, BackupAnswer, Count, Coverage, Limits, Phase, RunReason};

/// Both clocks at one moment: timers follow the one that never jumps, people the other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Now {
    /// Since any fixed moment.
    pub mono: Duration,
    pub wall: Timestamp,
}

/// Sequence number of a hint in the journal; later hints have larger ones.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct HintSeq(pub u64);

/// Names a request whose answer somebody waits for; chosen by the caller, never used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct WaitId(pub u64);

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// The watcher is armed: from now on changes are seen.
    Started,
    /// Hints are durable in the journal; `count` directories did not wait before; `newest` is the largest sequence number among them.
    HintsStored {
        root: RootId,
        count: u64,
        newest: HintSeq,
    },
    /// The watcher may have missed changes (overflow, lost watch): the root must be compared in full.
    Doubt {
        root: RootId,
    },
    /// Hints were seen and could not be kept: a doubt that bears no delay. Whatever keeps the journal from taking them is told by
    /// the run that then fails.
    HintsLost {
        root: RootId,
    },
    /// The target has lost what was stored of the root, or its last snapshot, and no run has made that good.
    StoredLost {
        root: RootId,
    },
    /// What is to be told of the configuration from now on.
    Config(Option<Problem>),
    Coverage {
        root: RootId,
        coverage: Coverage,
    },
    RootUnavailable {
        root: RootId,
        problem: Problem,
    },
    RootAvailable {
        root: RootId,
    },
    /// The run has made its cut.
    CutTaken(Cut),
    RunProgress(Progress),
    /// A partial snapshot of a long run is durable.
    PartialStored {
        seq: Seq,
    },
    /// What the run cost, for people. Comes before its end.
    RunCost {
        text: String,
    },
    /// What waits in the arena, and what was merged just now, for people.
    Arena {
        waiting: Vec<ArenaUsage>,
        merged: Option<String>,
    },
    /// Ends every run that was started, exactly once.
    RunFinished(Outcome),
    TargetDown {
        message: String,
        remedy: String,
    },
    TargetUp,
    /// Other limits hold from now on.
    Limits(Limits),
    /// No roots = all. `wait` gets an answer.
    BackupRequested {
        roots: Vec<RootId>,
        full: bool,
        wait: Option<WaitId>,
    },
    /// `until` = for how long; `None` until [`Event::Resume`].
    Pause {
        length: Option<Duration>,
    },
    Resume,
    /// A timer fired; harmless at any time.
    Tick,
    Stop,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Ends with [`Event::RunFinished`].
    StartRun {
        reason: RunReason,
        roots: Vec<RootPlan>,
    },
    /// Ask the run to end soon; its end is still reported.
    CancelRun,
    /// Send [`Event::Tick`] at this time of the monotonic clock; replaces the timer before.
    ArmTimer(Duration),
    /// Look whether a root is back; answer with `RootAvailable` or `RootUnavailable`.
    ProbeRoot(RootId),
    /// [`Engine::status`](super::Engine::status) has changed.
    PublishStatus,
    Answer {
        wait: WaitId,
        answer: BackupAnswer,
    },
    /// Nothing runs any more: the agent may end.
    Exit,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RootPlan {
    pub root: RootId,
    /// Compare everything, not only where hints are.
    pub full: bool,
}

/// The hints up to `newest` belong to the run. All events before `at` were read by then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cut {
    pub newest: HintSeq,
    pub at: Timestamp,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Progress {
    pub phase: Phase,
    pub entries: Count,
    pub bytes: Count,
    pub bytes_per_second: Option<u64>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Durable and in the journal; `snapshot` is `None` when nothing had changed.
    Done {
        snapshot: Option<Seq>,
        roots: Vec<RootResult>,
        /// Of the run as a whole: of the repository, of what is merged.
        problems: Vec<Problem>,
    },
    Cancelled,
    /// The target could not be reached or refused: an outage, not the fault of a file.
    TargetFailed {
        message: String,
        remedy: String,
    },
    /// The target says for certain that the repository, or the bucket, is not there.
    RepositoryGone {
        message: String,
        remedy: String,
    },
    Failed(Problem),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RootResult {
    pub root: RootId,
    /// `Err`: the root could not be read at all; it keeps its hints.
    pub result: Result<Covered, Problem>,
}

/// A root that the run has stored.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Covered {
    /// In its tree now.
    pub entries: u64,
    pub bytes: u64,
    /// Directories in which a full comparison found changes that no hint had announced.
    pub missed_by_watcher: u64,
    pub problems: Vec<Problem>,
}

impl Now {
    /// The wall time at `mono`, if nobody sets the clock meanwhile.
    pub(super) fn wall_at(&self, mono: Duration) -> Timestamp {
        let ahead = mono.saturating_sub(self.mono);
        Timestamp::new(self.wall.secs.saturating_add_unsigned(ahead.as_secs()), self.wall.nanos)
    }
}
