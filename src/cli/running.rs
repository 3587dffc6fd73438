//! A backup in this process: opens everything that a run needs, and shows it while it goes on.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use super::context::Context;
use super::error::CliError;
use super::pacing::{self, Flags};
use super::reading::warned;
use super::show::{Live, Meter};
use crate::backup::{Backup, BackupOptions, Phase, Progress, Recovered, RootPlan, RootScope, RunReport, RunRequest};
use crate::config::exclude::Rules;
use crate::config::{Config, Places, RootConfig};
use crate::crypto::MachineKeys;
use crate::daemon::{RootCheck, RootMemory, check_root, forget_unstored, guard_root, remember_root};
use crate::journal::Journal;
use crate::model::{Problem, RootId};
use crate::status::counted;
use crate::store::{RetryPolicy, Store, StoreUrl};

/// Opens journal, spool and target; completes what an earlier process left.
pub(super) fn open(config: &Config, places: &Places, pace: Flags, context: &Context) -> Result<Backup, CliError> {
    let keys = warned(MachineKeys::load(&config.machine_key).map_err(CliError::MachineKey)?, context);
    let limiter = pacing::limiter(config.limits.clone(), pace, context);
    let store = Store::open_limited(&StoreUrl::parse(&config.repository)?, &limiter)?;
    let store = store.retrying(RetryPolicy::default(), context.clock.clone());
    let (level, merge) = (config.run.level, config.archive.merge);
    let options = BackupOptions { level, merge, ..BackupOptions::default() };
    let (backup, recovered) = Backup::open(&places.state, store, keys, context.clock.clone(), options)?;
    tell_recovered(&recovered);
    Ok(backup.with_config(Config::read(&places.config)?))
}

/// What a person should know of it is a problem of the run; the fields are for who looks into it.
fn tell_recovered(recovered: &Recovered) {
    tracing::info!("the state of earlier runs is in order");
    tracing::debug!(?recovered, "what was found of them");
}

/// Which roots may be read now.
#[derive(Default)]
pub(super) struct Checked {
    /// By root id: what to remember once it is stored.
    pub(super) identities: BTreeMap<String, String>,
    /// By root id: what is remembered of those that are not accepted as they are.
    known: BTreeMap<String, RootMemory>,
    /// By root id: why not.
    pub(super) doubtful: BTreeMap<String, Problem>,
}

/// A disk that is not mounted must not look like deleted files. `accepted` were looked at by a person.
pub(super) fn check_roots(backup: &Backup, config: &Config, accepted: &[RootId]) -> Result<Checked, CliError> {
    for root in &config.roots {
        // also one that cannot be read is listed by the next snapshot
        backup.journal.upsert_root(root.id.as_str(), &root.path, backup.clock.wall_ms())?;
    }
    forget_unstored(&backup.journal, &backup.keys, config)?;
    look_at_roots(Some(&backup.journal), &backup.keys, config, accepted)
}

/// The same, and nothing is written down. `None`: nothing was ever backed up.
pub(super) fn look_at_roots(
    journal: Option<&Journal>,
    keys: &MachineKeys,
    config: &Config,
    accepted: &[RootId],
) -> Result<Checked, CliError> {
    let mut checked = Checked::default();
    for root in &config.roots {
        let id = root.id.to_string();
        let memory = journal.filter(|_| !accepted.contains(&root.id));
        let memory = memory.map(|journal| RootMemory::new(journal, keys, &root.id));
        checked.known.extend(memory.clone().map(|memory| (id.clone(), memory)));
        match check_root(&root.path, memory.as_ref())? {
            RootCheck::Same(identity) | RootCheck::Exchanged(identity) => drop(checked.identities.insert(id, identity)),
            RootCheck::Doubtful(problem) => drop(checked.doubtful.insert(id, problem)),
        }
    }
    Ok(checked)
}

pub(super) fn remember_roots(backup: &Backup, checked: &Checked, report: &RunReport) -> Result<(), CliError> {
    for root in &report.roots {
        if let Some(identity) = checked.identities.get(&root.id) {
            remember_root(&backup.journal, &root.id, identity)?;
        }
    }
    Ok(())
}

/// The roots that may be read, compared in full: nobody has watched them.
pub(super) fn request(config: &Config, places: &Places, checked: &Checked) -> Result<RunRequest, CliError> {
    let roots = config.roots.iter().filter(|root| checked.identities.contains_key(root.id.as_str()));
    let roots = roots.map(|root| plan(config, root, checked)).collect::<Result<_, _>>()?;
    Ok(RunRequest { roots, partial_every: config.run.partial_every, own_dirs: own_dirs(config, places)? })
}

fn plan(config: &Config, root: &RootConfig, checked: &Checked) -> Result<RootPlan, CliError> {
    let rules = Rules::compile(&config.excludes_of(root)).map_err(|error| {
        CliError::refused(format!("the excludes of root `{}`: {error}", root.id), "Mend it in the configuration.")
    })?;
    let guard = Some(guard_root(&root.path, checked.known.get(root.id.as_str()).cloned()));
    Ok(RootPlan {
        id: root.id.to_string(),
        path: root.path.clone(),
        rules,
        scope: RootScope::Full,
        class: root.class,
        guard,
    })
}

/// What would make a backup grow by backing itself up.
fn own_dirs(config: &Config, places: &Places) -> Result<Vec<PathBuf>, CliError> {
    let url = StoreUrl::parse(&config.repository)?;
    let own = [Some(places.state.as_path()), Some(&places.runtime), url.as_dir()];
    Ok(own.into_iter().flatten().map(PathBuf::from).collect())
}

/// Runs, with a line that shows how far it is.
pub(super) fn run(
    backup: &Backup,
    request: &RunRequest,
    progress: &Arc<Progress>,
    context: &Context,
) -> Result<RunReport, CliError> {
    let over = AtomicBool::new(false);
    let (shown, meter) = (progress.clone(), Meter::start(&context.clock));
    let live = Live::start(&context.output, move || line(&shown, &meter));
    let result = std::thread::scope(|scope| {
        if context.output.live && backup.is_first(request) {
            scope.spawn(|| backup.count(request, progress, &over));
        }
        let result = backup.run(request, progress, &context.stop);
        over.store(true, Relaxed);
        result
    });
    drop(live);
    Ok(result?)
}

fn line(progress: &Progress, meter: &Meter) -> String {
    let phase = match progress.phase() {
        Phase::Starting => "preparing",
        Phase::Scanning => "backing up",
        Phase::Committing => "finishing the snapshot",
        Phase::Done => "done",
    };
    let (entries, done) = progress.done();
    let size = meter.bytes_at(done, progress.total().map(|(_, bytes)| bytes), progress.stored());
    let line = format!("{phase} {}: {}, {size}", progress.current(), counted(entries, "entry", "entries"));
    match progress.problems.load(Relaxed) {
        0 => line,
        count => format!("{line}, {}", counted(count, "problem", "problems")),
    }
}
