//! The handle of the watcher: starts its thread, asks it, ends it.

use std::collections::HashSet;
use std::fs::OpenOptions;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::EventfdFlags;

use super::coverage::{Coverage, RootCoverage, RootState};
use super::driver::{Command, Driver};
use super::error::WatchError;
use super::hint::{Hint, RootKey};
use super::inotify::Kernel;
use super::mounts::Mounts;
use super::state::State;
use crate::model::RelPath;

/// A tree to watch.
#[derive(Clone)]
pub struct WatchRoot {
    pub key: RootKey,
    pub path: PathBuf,
    /// Do not watch other filesystems below the root.
    pub one_filesystem: bool,
    /// Directories that need no watch because nothing in them is wanted.
    pub skip: Arc<dyn Fn(&RelPath) -> bool + Send + Sync>,
    /// Names of files by which `skip` decides for what is beside and below them: after a change it is asked again.
    pub rule_files: Vec<Vec<u8>>,
}

#[derive(Clone)]
pub struct WatchOptions {
    pub roots: Vec<WatchRoot>,
    /// Where cookie files for [`Watcher::sync`] are made: the agent's own state directory. Never watched as part of a
    /// root.
    pub cookie_dir: PathBuf,
    /// Device and inode of directories that are never watched: spool, repository on the same disk.
    pub excluded: Vec<(u64, u64)>,
    /// Take no more watches than this, though the kernel has more.
    pub watch_limit: Option<usize>,
}

/// Did the sync point come?
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum SyncOutcome {
    /// Every change before the call is in hints that the sink has taken.
    Synced,
    /// Not in time: hints may be missing still.
    TimedOut,
}

/// A running watcher. Dropping it stops its thread.
pub struct Watcher {
    commands: Sender<Command>,
    wake: OwnedFd,
    coverage: Arc<Mutex<Coverage>>,
    cookie_dir: PathBuf,
    cookies: AtomicU64,
    thread: Option<JoinHandle<Result<(), WatchError>>>,
}

impl Watcher {
    /// Starts to watch. `sink` gets batches of hints on the watcher's thread and makes them durable before it returns;
    /// while it works, the kernel queues. The first batch holds a `Start` hint for every root.
    pub fn start(options: WatchOptions, sink: impl FnMut(Vec<Hint>) + Send + 'static) -> Result<Self, WatchError> {
        let (commands, received) = mpsc::channel();
        let wake = eventfd().map_err(|source| WatchError::Thread { source })?;
        let wake_reader = wake.try_clone().map_err(|source| WatchError::Thread { source })?;
        let coverage = Arc::new(Mutex::new(Coverage::not_yet(&options.roots)));
        let cookie_dir = options.cookie_dir.clone();
        let driver = driver(options, received, wake_reader, sink, coverage.clone())?;
        let thread = std::thread::Builder::new().name("watch".into()).spawn(move || driver.run());
        let thread = Some(thread.map_err(|source| WatchError::Thread { source })?);
        Ok(Self { commands, wake, coverage, cookie_dir, cookies: AtomicU64::new(0), thread })
    }

    /// Waits until everything that happened before the call was handed to the sink.
    pub fn sync(&self, timeout: Duration) -> Result<SyncOutcome, WatchError> {
        let number = self.cookies.fetch_add(1, Ordering::Relaxed);
        let name = format!(".rozen-cookie-{}-{number}", std::process::id());
        let (seen, waiting) = mpsc::channel();
        self.tell(Command::Sync { cookie: name.clone().into_bytes(), seen })?;
        let path = self.cookie_dir.join(name);
        let created = OpenOptions::new().write(true).create(true).truncate(true).open(&path);
        created.map_err(|source| WatchError::Cookie { path: path.clone(), source })?;
        let outcome = waiting.recv_timeout(timeout);
        // One that stays behind is found in the own state directory and hurts nobody.
        let _ = std::fs::remove_file(&path);
        match outcome {
            Ok(()) => Ok(SyncOutcome::Synced),
            Err(RecvTimeoutError::Timeout) => Ok(SyncOutcome::TimedOut),
            Err(RecvTimeoutError::Disconnected) => Err(WatchError::Stopped),
        }
    }

    /// Looks whether the path of each root still leads to the folder that is watched; one that does not is hinted as a
    /// whole and watched anew. A [`Watcher::sync`] after it waits for it. Roots whose filesystem gives no events are left to
    /// audits.
    pub fn look_at_roots(&self) -> Result<(), WatchError> {
        self.tell(Command::LookAtRoots)
    }

    /// For audits: checks the identity of every root, tries again to watch what is not watched and hints it whole.
    pub fn recheck(&self) -> Result<(), WatchError> {
        self.tell(Command::Recheck)
    }

    /// What is watched now, at most one batch old.
    pub fn coverage(&self) -> Coverage {
        let mut coverage = self.coverage.lock().unwrap_or_else(PoisonError::into_inner).clone();
        coverage.stopped = self.thread.as_ref().is_none_or(JoinHandle::is_finished);
        coverage
    }

    /// Hands on what was read, ends the thread and tells how it ended.
    pub fn stop(mut self) -> Result<(), WatchError> {
        self.join()
    }

    fn join(&mut self) -> Result<(), WatchError> {
        let Some(thread) = self.thread.take() else { return Ok(()) };
        // A thread that has ended already takes no command.
        let _ = self.tell(Command::Stop);
        thread.join().unwrap_or(Err(WatchError::Stopped))
    }

    fn tell(&self, command: Command) -> Result<(), WatchError> {
        self.commands.send(command).map_err(|_| WatchError::Stopped)?;
        // A full counter has woken the thread already.
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
        Ok(())
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        if let Err(error) = self.join() {
            tracing::error!(%error, "the watcher ended with an error");
        }
    }
}

impl Coverage {
    fn not_yet(roots: &[WatchRoot]) -> Self {
        let root = |root: &WatchRoot| RootCoverage {
            root: root.key,
            path: root.path.clone(),
            state: RootState::Watched,
            watched: 0,
            total: 0,
            arming: true,
            unwatched: Vec::new(),
        };
        Self { roots: roots.iter().map(root).collect(), limit: None, stopped: false }
    }
}

fn eventfd() -> io::Result<OwnedFd> {
    Ok(rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?)
}

fn driver<S: FnMut(Vec<Hint>)>(
    options: WatchOptions,
    commands: mpsc::Receiver<Command>,
    wake: OwnedFd,
    sink: S,
    coverage: Arc<Mutex<Coverage>>,
) -> Result<Driver<S>, WatchError> {
    let excluded: HashSet<_> = options.excluded.into_iter().collect();
    let mut kernel = Kernel::open(excluded, options.watch_limit).map_err(|source| WatchError::Instance { source })?;
    let mut state = State::default();
    let cookie_dir = options.cookie_dir;
    let wd =
        kernel.watch_apart(&cookie_dir).map_err(|source| WatchError::CookieDir { path: cookie_dir.clone(), source })?;
    state.watch_cookies(Some(wd));
    let mut roots = Vec::new();
    for root in options.roots {
        kernel.add_root(root.key, &root.path, root.one_filesystem);
        state.add_root(root.key, root.skip);
        state.note_rule_files(root.key, root.rule_files);
        let plain = root.path.canonicalize().unwrap_or_else(|_| root.path.clone());
        roots.push((root.key, root.path, plain));
    }
    Ok(Driver {
        state,
        kernel,
        mounts: Mounts::open().ok(),
        roots,
        cookie_dir,
        commands,
        wake,
        sink,
        coverage,
        waiting: Vec::new(),
        due: None,
        stopping: false,
    })
}
