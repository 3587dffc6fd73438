//! What a run works with, made once per process.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::billing::Counted;
use super::error::RunError;
use super::recover::{self, Recovered};
use super::target::{self, Limits};
use crate::chunk::Chunker;
use crate::clock::Clock;
use crate::crypto::MachineKeys;
use crate::journal::{Journal, JournalError, PackKind, PackRow};
use crate::model::{ListedRoot, MergeRule, Problem};
use crate::pack::{Arena, Spool};
use crate::repo::names;
use crate::store::Store;
use crate::upload::{Body, Origin, Role, SpooledObject, UploadError, Uploader};

/// How a run works; what it backs up is in its request.
#[derive(Clone, Copy, Debug)]
pub struct BackupOptions {
    /// zstd, 1–19.
    pub level: i32,
    /// Threads that compress and encrypt.
    pub workers: usize,
    /// A pack is closed when it holds this much.
    pub pack_bytes: u64,
    /// The same for packs of classes that must be thawed: requests and thaws are paid by the object.
    pub archive_pack_bytes: u64,
    /// A smaller pack is not put into such a class: its price by object and the months that it must stay cost more. It waits
    /// in the arena.
    pub archive_from_bytes: u64,
    /// When what waits there is merged; `None`: never, and no copies are kept.
    pub merge: Option<MergeRule>,
    /// A file of this size has packs of its own in such a class, so that few objects are thawed for it.
    pub alone_from_bytes: u64,
    /// A run ends early when its freeze is so old, it has stored something, and it is not in the middle of a file.
    pub freeze_limit: Duration,
}

impl Default for BackupOptions {
    fn default() -> Self {
        let workers = std::thread::available_parallelism().map_or(2, |cores| cores.get().clamp(2, 8));
        Self {
            level: 3,
            workers,
            pack_bytes: 64 << 20,
            archive_pack_bytes: 1 << 30,
            archive_from_bytes: 64 << 20,
            merge: Some(MergeRule::default()),
            alone_from_bytes: 1 << 30,
            freeze_limit: Duration::MAX,
        }
    }
}

/// An open repository, journal and spool.
pub struct Backup {
    pub journal: Journal,
    pub store: Store,
    pub keys: MachineKeys,
    pub clock: Clock,
    pub options: BackupOptions,
    pub(super) uploader: Uploader,
    pub(super) spool: Spool,
    pub(super) arena: Arena,
    pub(super) chunker: Chunker,
    pub(super) host: String,
    /// What opening found that a person should know; told with each run.
    pub(super) found: Vec<Problem>,
    /// The target was found to hold our repository.
    pub(super) target_asked: AtomicBool,
    pub(super) counted: Counted,
    /// The text of the configuration, to be stored with the snapshots.
    pub(super) config: Option<String>,
}

impl Backup {
    /// Opens everything and puts in order what an earlier process left: packs of its spool are uploaded, a run that did
    /// not end is ended, an empty journal is rebuilt from the target. The target is looked at in any case.
    pub fn open(
        state_dir: &Path,
        store: Store,
        keys: MachineKeys,
        clock: Clock,
        options: BackupOptions,
    ) -> Result<(Self, Recovered), RunError> {
        Self::prepare(Journal::open(state_dir)?, state_dir, store, keys, clock, options, true)
    }

    /// The same with a journal that is open already: the agent keeps hints while the target cannot be reached. The target
    /// is looked at when there is something to send.
    pub fn with_journal(
        journal: Journal,
        state_dir: &Path,
        store: Store,
        keys: MachineKeys,
        clock: Clock,
        options: BackupOptions,
    ) -> Result<(Self, Recovered), RunError> {
        Self::prepare(journal, state_dir, store, keys, clock, options, false)
    }

    fn prepare(
        journal: Journal,
        state_dir: &Path,
        store: Store,
        keys: MachineKeys,
        clock: Clock,
        options: BackupOptions,
        look: bool,
    ) -> Result<(Self, Recovered), RunError> {
        journal.bind_repository(keys.repo_id)?;
        journal.bind_machine(keys.machine_id)?;
        let Limits { limits, asked } = target::limits(&journal, &store, &keys, look)?;
        let chunker = Chunker::new(keys.chunker.gear_table(), limits);
        let spool = Spool::open(&state_dir.join("spool"))?;
        let arena = Arena::open(&state_dir.join("arena"))?;
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let uploader = Uploader::new(store.clone(), journal.clone());
        let found = Vec::new();
        let target_asked = asked.into();
        let mut backup = Self {
            journal,
            store,
            keys,
            clock,
            options,
            uploader,
            spool,
            arena,
            chunker,
            host,
            found,
            config: None,
            target_asked,
            counted: Counted::default(),
        };
        let recovered = recover::recover(&backup)?;
        backup.found = recovered.problems(&backup.keys.machine_id);
        Ok((backup, recovered))
    }

    /// From now on snapshots name this configuration, so that the machine can be set up again from the target.
    pub fn with_config(self, text: String) -> Self {
        Self { config: Some(text), ..self }
    }

    /// How the last snapshot lists a root.
    pub(super) fn listed(&self, root: &str) -> Result<Option<ListedRoot>, JournalError> {
        self.journal.listed_root(&self.keys.id.root_tag(root))
    }

    /// Brings a spooled pack to the target; durable there on return, known as such, and its file gone from the spool.
    pub(super) fn upload(&self, row: &PackRow, origin: Origin) -> Result<(), UploadError> {
        let Some(path) = row.spool_path.clone() else { return Ok(()) };
        let name = names::pack(&self.keys.machine_id, row.kind == PackKind::Tree, &row.hash);
        let body = Body::File { path, origin };
        let (class, size, hash) = (row.class, row.size, row.hash);
        let object = SpooledObject { what: (), role: Role::Pack, name, class, body, size, hash };
        self.uploader.upload(object).map(drop)
    }
}
