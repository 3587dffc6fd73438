//! The watcher's end of the agent: hints become durable, then the engine hears of them.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;

use super::message::Message;
use crate::clock::Clock;
use crate::config::Config;
use crate::config::exclude::Rules;
use crate::engine::{Event, HintSeq};
use crate::journal::{HintRow, Journal};
use crate::model::{RelPath, RootId};
use crate::scan::is_wanted;
use crate::source::View;
use crate::watch::{
    Coverage, Hint, Names, Reason, RootCoverage, RootKey, RootState, SyncOutcome, WatchOptions, WatchRoot, Watcher,
};

/// A sync that takes longer leaves doubt instead of holding up the run.
const SYNC: Duration = Duration::from_secs(30);

/// The running watcher, or why there is none.
pub(super) struct Watching {
    watcher: Result<Watcher, String>,
    stored: Arc<AtomicU64>,
}

/// Where a run may take over.
pub(super) struct SyncPoint {
    /// Hints up to here are durable.
    pub(super) newest: HintSeq,
    /// Everything before was read into hints.
    pub(super) complete: bool,
}

impl Watching {
    /// Without a watcher the agent compares from time to time instead: it starts nevertheless.
    pub(super) fn start(
        config: &Config,
        rules: &[Rules],
        own_dirs: &[PathBuf],
        cookie_dir: &Path,
        sink: HintSink,
    ) -> Self {
        let roots = config.roots.iter().zip(rules).enumerate().map(|(at, (root, rules))| {
            let (one_filesystem, rules, path) = (rules.config().one_filesystem, rules.clone(), root.path.clone());
            let rule_files = rules.config().files.iter().map(|name| name.as_bytes().to_vec()).collect();
            // few are left out: only for them the ignore files above are read; doubt watches
            let skip = move |dir: &RelPath| {
                rules.excludes_with_parents(dir, true).is_some()
                    && View::live(&path).is_ok_and(|view| !is_wanted(&view, &rules, dir))
            };
            WatchRoot { key: key(at), path: root.path.clone(), one_filesystem, skip: Arc::new(skip), rule_files }
        });
        let options = WatchOptions {
            roots: roots.collect(),
            cookie_dir: cookie_dir.to_path_buf(),
            excluded: own_dirs.iter().filter_map(|dir| inode(dir)).collect(),
            watch_limit: None,
        };
        let stored = sink.stored.clone();
        let watcher = Watcher::start(options, move |hints| sink.take(hints)).map_err(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "nothing can be watched");
            error.to_string()
        });
        Self { watcher, stored }
    }

    /// Everything before the call is in hints up to `newest`, if `complete`.
    pub(super) fn sync(&self) -> SyncPoint {
        let complete = match self.watcher.as_ref().map(|watcher| watcher.sync(SYNC)) {
            Ok(Ok(SyncOutcome::Synced)) => true,
            Ok(Ok(SyncOutcome::TimedOut)) | Err(_) => false,
            Ok(Err(error)) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the watcher cannot be asked");
                false
            }
        };
        SyncPoint { newest: HintSeq(self.stored.load(Ordering::SeqCst)), complete }
    }

    /// A run has put `count` hints into the journal; gives the number of the newest.
    pub(super) fn stored_by_run(&self, count: u64) -> HintSeq {
        HintSeq(self.stored.fetch_add(count, Ordering::SeqCst) + count)
    }

    /// `Err`: there is no watcher, and why.
    pub(super) fn coverage(&self) -> Result<Coverage, &str> {
        self.watcher.as_ref().map(Watcher::coverage).map_err(String::as_str)
    }

    /// Begins to look whether the watched folders still stand at the paths of the roots: a [`Watching::sync`] that follows
    /// knows.
    pub(super) fn look_at_roots(&self) {
        if let Ok(watcher) = &self.watcher
            && let Err(error) = watcher.look_at_roots()
        {
            // once it has stopped this is said every few seconds; the status tells it too
            tracing::debug!(error = &error as &dyn std::error::Error, "the watcher cannot be asked");
        }
    }

    /// Looks again for roots that were away and for folders that could not be watched, if there are any.
    pub(super) fn recheck_missing(&self) {
        let Ok(watcher) = &self.watcher else { return };
        let coverage = watcher.coverage();
        let is_missing = |root: &RootCoverage| root.state != RootState::Watched || !root.unwatched.is_empty();
        if coverage.roots.iter().any(is_missing)
            && let Err(error) = watcher.recheck()
        {
            tracing::warn!(error = &error as &dyn std::error::Error, "the watcher cannot be asked");
        }
    }
}

/// Takes hints on the watcher's thread.
pub(super) struct HintSink {
    journal: Journal,
    clock: Clock,
    roots: Vec<RootId>,
    owner: Sender<Message>,
    /// How many hints were stored since the start: their sequence numbers.
    stored: Arc<AtomicU64>,
}

impl HintSink {
    pub(super) fn new(journal: Journal, clock: Clock, roots: Vec<RootId>, owner: Sender<Message>) -> Self {
        Self { journal, clock, roots, owner, stored: Arc::default() }
    }

    fn take(&self, hints: Vec<Hint>) {
        let now_ms = self.clock.wall_ms();
        for (at, root) in self.roots.iter().enumerate() {
            let of_root: Vec<&Hint> = hints.iter().filter(|hint| hint.root == key(at)).collect();
            if !of_root.is_empty() {
                self.store(root, &of_root, now_ms);
            }
        }
    }

    fn store(&self, root: &RootId, hints: &[&Hint], now_ms: i64) {
        if hints.iter().any(|hint| is_doubt(hint.reason)) {
            self.tell(Message::Event(Event::Doubt { root: root.clone() }));
            self.tell(Message::LookAtCoverage);
        }
        let rows: Vec<HintRow> = hints.iter().map(|hint| row(hint, now_ms)).collect();
        let count = rows.len() as u64;
        match self.journal.add_hints(root.as_str(), &rows) {
            Ok(new) => {
                let newest = HintSeq(self.stored.fetch_add(count, Ordering::SeqCst) + count);
                self.tell(Message::Event(Event::HintsStored { root: root.clone(), count: new, newest }));
            }
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, %root, "hints cannot be kept: all is compared");
                self.tell(Message::Event(Event::HintsLost { root: root.clone() }));
            }
        }
    }

    fn tell(&self, message: Message) {
        // an owner that has gone needs no hints: they are in the journal
        let _ = self.owner.send(message);
    }
}

/// Hints of these kinds mean that others may be missing.
fn is_doubt(reason: Reason) -> bool {
    match reason {
        Reason::Event | Reason::NewDirectory | Reason::MovedIn | Reason::Start | Reason::Mounted => false,
        Reason::LimitReached | Reason::LostWatch | Reason::UnknownWatch | Reason::Overflow => true,
        Reason::Unmounted | Reason::RootGone => true,
    }
}

fn row(hint: &Hint, now_ms: i64) -> HintRow {
    let names = match &hint.names {
        Names::All => Vec::new(),
        // the folder itself alone: the journal says "any" by an empty list, which is wider
        Names::Only(names) => names.iter().cloned().collect(),
    };
    HintRow { dir: hint.dir.clone(), recursive: hint.recursive, names, reason: hint.reason.as_str().to_owned(), now_ms }
}

pub(super) fn key(at: usize) -> RootKey {
    RootKey(u32::try_from(at).expect("a configuration has fewer roots"))
}

fn inode(dir: &Path) -> Option<(u64, u64)> {
    let found = std::fs::metadata(dir).ok()?;
    Some((found.dev(), found.ino()))
}
