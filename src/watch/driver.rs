//! The loop of the watcher's thread: one owner of the state, the kernel side and the sink.
//!
//! Events go before crawling, so that a long crawl does not make the queue overflow; crawling goes in small slices.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};

use super::coverage::{Coverage, RootCoverage, RootState};
use super::error::WatchError;
use super::hint::{Hint, Reason, RootKey};
use super::inotify::Kernel;
use super::mounts::{Mounts, Relation, relation};
use super::state::{Action, Event, State};
use crate::model::RelPath;

/// Hints wait at most so long for company.
const MAX_WAIT: Duration = Duration::from_millis(200);
/// Directories visited between two looks at the queue.
const CRAWL_SLICE: usize = 64;

pub(super) enum Command {
    /// Tell when the event of this cookie file was read and all before it was handed on.
    Sync {
        cookie: Vec<u8>,
        seen: Sender<()>,
    },
    LookAtRoots,
    Recheck,
    Stop,
}

pub(super) struct Driver<S> {
    pub state: State,
    pub kernel: Kernel,
    pub mounts: Option<Mounts>,
    /// Key, path, and the path without links, by which the mount table knows it.
    pub roots: Vec<(RootKey, PathBuf, PathBuf)>,
    pub cookie_dir: PathBuf,
    pub commands: Receiver<Command>,
    pub wake: OwnedFd,
    pub sink: S,
    pub coverage: Arc<Mutex<Coverage>>,
    pub waiting: Vec<(Vec<u8>, Sender<()>)>,
    pub due: Option<Instant>,
    pub stopping: bool,
}

impl<S: FnMut(Vec<Hint>)> Driver<S> {
    /// Until it is told to stop. What was read by then is handed to the sink.
    pub(super) fn run(mut self) -> Result<(), WatchError> {
        while !self.stopping {
            self.crawl();
            self.flush_if_due();
            self.wait()?;
            self.take_commands();
            self.take_events()?;
            self.take_mounts();
        }
        self.flush();
        Ok(())
    }

    fn crawl(&mut self) {
        for _ in 0..CRAWL_SLICE {
            let Some(step) = self.state.next_step() else { break };
            let found = self.kernel.visit(&step, self.state.watches());
            let actions = self.state.visited(step, found);
            self.perform(actions);
            if self.state.is_full() {
                self.flush();
            }
        }
    }

    fn flush_if_due(&mut self) {
        if self.state.is_full() || self.due.is_some_and(|due| now() >= due) {
            self.flush();
        } else if self.due.is_none() && self.state.has_pending() {
            self.due = Some(now() + MAX_WAIT);
        }
    }

    fn flush(&mut self) {
        self.due = None;
        self.publish();
        let hints = self.state.take_hints();
        if !hints.is_empty() {
            (self.sink)(hints);
        }
    }

    fn wait(&mut self) -> Result<(), WatchError> {
        let timeout = match self.due {
            _ if self.state.is_crawling() => Some(Duration::ZERO),
            Some(due) => Some(due.saturating_duration_since(now())),
            None => None,
        };
        if timeout.is_none() {
            self.publish();
        }
        let timeout = timeout.map(|t| Timespec { tv_sec: t.as_secs() as i64, tv_nsec: t.subsec_nanos().into() });
        let mut fds =
            vec![PollFd::from_borrowed_fd(self.kernel.fd(), PollFlags::IN), PollFd::new(&self.wake, PollFlags::IN)];
        fds.extend(self.mounts.as_ref().map(|m| PollFd::from_borrowed_fd(m.fd(), PollFlags::PRI)));
        match rustix::event::poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(WatchError::Read { source: error.into() }),
        }
    }

    fn take_commands(&mut self) {
        let _ = rustix::io::read(&self.wake, &mut [0u8; 8]);
        while let Ok(command) = self.commands.try_recv() {
            match command {
                Command::Sync { cookie, seen } => {
                    self.waiting.push((cookie, seen));
                    if self.state.cookie_dir().is_none() {
                        self.state.watch_cookies(self.kernel.watch_apart(&self.cookie_dir).ok());
                    }
                }
                Command::LookAtRoots => self.look_at_roots(Kernel::has_events),
                Command::Recheck => self.recheck(),
                Command::Stop => self.stopping = true,
            }
        }
    }

    fn take_events(&mut self) -> Result<(), WatchError> {
        let mut events: Vec<Event> = Vec::new();
        while self.kernel.read(&mut events).map_err(|source| WatchError::Read { source })? {
            for event in events.drain(..) {
                let actions = self.state.apply(&event);
                self.perform(actions);
            }
            self.flush_if_due();
        }
        Ok(())
    }

    fn perform(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Unwatch(wd) => self.kernel.remove(wd),
                Action::CookieSeen(name) => self.cookie_seen(&name),
            }
        }
    }

    /// The command was sent before the file was made: it is here or in the channel.
    fn cookie_seen(&mut self, name: &[u8]) {
        self.take_commands();
        if self.waiting.iter().any(|(cookie, _)| cookie == name) {
            self.state.hint_unfinished();
            self.flush();
            for (_, seen) in self.waiting.extract_if(.., |(cookie, _)| cookie == name) {
                // Who waited may have given up.
                let _ = seen.send(());
            }
        }
    }

    fn recheck(&mut self) {
        self.look_at_roots(|_, _| true);
        self.resolve_roots();
        self.state.recheck();
    }

    /// Does the path of each root still lead to the folder that is watched? No event tells when a folder above it, or a
    /// link on the way, was exchanged.
    fn look_at_roots(&mut self, wanted: impl Fn(&Kernel, RootKey) -> bool) {
        let watched = |key: &RootKey| self.state.root_state(*key) == RootState::Watched && wanted(&self.kernel, *key);
        let moved: Vec<RootKey> =
            self.roots.iter().map(|root| root.0).filter(watched).filter(|key| self.kernel.root_moved(*key)).collect();
        if moved.is_empty() {
            return;
        }
        self.resolve_roots();
        for key in moved {
            let actions = self.state.root_lost(key, RootState::Gone);
            self.perform(actions);
        }
    }

    /// Links may lead elsewhere than before: the mount table knows where they end.
    fn resolve_roots(&mut self) {
        for (_, path, plain) in &mut self.roots {
            if let Ok(now) = path.canonicalize() {
                *plain = now;
            }
        }
    }

    fn take_mounts(&mut self) {
        let changes = match &mut self.mounts {
            Some(mounts) => mounts.changes(),
            None => return,
        };
        match changes {
            Ok(changes) => changes.into_iter().for_each(|(path, reason)| self.mount_changed(&path, reason)),
            Err(error) => {
                tracing::warn!(%error, "the mount table cannot be read any more; mounts are seen by audits only");
                self.mounts = None;
            }
        }
    }

    fn mount_changed(&mut self, mount_point: &std::path::Path, reason: Reason) {
        for (key, _, root) in self.roots.clone() {
            match relation(mount_point, &root) {
                Relation::Elsewhere => {}
                Relation::Within(path) => {
                    if let Ok(dir) = RelPath::parse(path.as_os_str().as_encoded_bytes()) {
                        self.state.mount_changed(key, &dir, reason);
                    }
                }
                Relation::AtOrAbove if self.state.root_state(key) != RootState::Watched => self.state.retry_root(key),
                Relation::AtOrAbove if self.kernel.root_moved(key) => {
                    let unmounted = reason == Reason::Unmounted;
                    let state = if unmounted { RootState::Unmounted } else { RootState::Gone };
                    let actions = self.state.root_lost(key, state);
                    self.perform(actions);
                }
                Relation::AtOrAbove => {}
            }
        }
    }

    fn publish(&mut self) {
        let limit = std::fs::read_to_string("/proc/sys/fs/inotify/max_user_watches").ok();
        let limit = limit.and_then(|text| text.trim().parse().ok());
        let roots = self.roots.iter().map(|(key, path, _)| self.root_coverage(*key, path)).collect();
        *self.coverage.lock().unwrap_or_else(PoisonError::into_inner) = Coverage { roots, limit, stopped: false };
    }

    fn root_coverage(&self, root: RootKey, path: &std::path::Path) -> RootCoverage {
        let (watched, arming, unwatched) = self.state.coverage(root);
        let total = watched + unwatched.iter().map(|u| u.directories).sum::<u64>();
        let state = self.state.root_state(root);
        RootCoverage { root, path: path.to_path_buf(), state, watched, total, arming, unwatched }
    }
}

fn now() -> Instant {
    Instant::now()
}
