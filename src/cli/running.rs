//! A backup in this process: opens everything that a run needs, and shows it while it goes on.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::context::Context;
use super::error::CliError;
use super::reading::warned;
use super::show::Live;
use crate::backup::{Backup, BackupOptions, Phase, Progress, Recovered, RootPlan, RootScope, RunRequest};
use crate::clock::Clock;
use crate::config::exclude::Rules;
use crate::config::{Config, Places, RootConfig};
use crate::crypto::MachineKeys;
use crate::status::{RunStatus, bytes, grouped, span};
use crate::store::StoreUrl;

/// Opens journal, spool and target; completes what an earlier process left.
pub(super) fn open(config: &Config, places: &Places, context: &Context) -> Result<Backup, CliError> {
    let keys = warned(MachineKeys::load(&config.machine_key)?, context);
    let store = context.store(&config.repository)?;
    let options = BackupOptions { level: config.run.level, ..BackupOptions::default() };
    let (backup, recovered) = Backup::open(&places.state, store, keys, context.clock.clone(), options)?;
    tell_recovered(&recovered);
    Ok(backup)
}

fn tell_recovered(recovered: &Recovered) {
    let Recovered { rebuilt, uploaded, lost, interrupted, freezes } = recovered;
    tracing::info!(?rebuilt, uploaded, lost, interrupted, freezes, "the state of earlier runs is in order");
}

/// All roots, compared in full: nobody has watched them.
pub(super) fn request(config: &Config, places: &Places) -> Result<RunRequest, CliError> {
    let roots = config.roots.iter().map(|root| plan(config, root)).collect::<Result<_, _>>()?;
    Ok(RunRequest { roots, partial_every: config.run.partial_every, own_dirs: own_dirs(config, places)? })
}

fn plan(config: &Config, root: &RootConfig) -> Result<RootPlan, CliError> {
    let rules = Rules::compile(&config.excludes_of(root)).map_err(|error| {
        CliError::refused(format!("the excludes of root `{}`: {error}", root.id), "Mend it in the configuration.")
    })?;
    Ok(RootPlan { id: root.id.to_string(), path: root.path.clone(), rules, scope: RootScope::Full })
}

/// What would make a backup grow by backing itself up.
fn own_dirs(config: &Config, places: &Places) -> Result<Vec<PathBuf>, CliError> {
    let url = StoreUrl::parse(&config.repository)?;
    let own = [Some(places.state.as_path()), Some(&places.runtime), url.as_dir()];
    Ok(own.into_iter().flatten().map(PathBuf::from).collect())
}

/// A line with all that is known, until dropped.
pub(super) fn follow(progress: &Arc<Progress>, context: &Context) -> Live {
    let meter = Meter { progress: progress.clone(), clock: context.clock.clone(), started: context.clock.monotonic() };
    Live::start(&context.output, move || meter.line())
}

struct Meter {
    progress: Arc<Progress>,
    clock: Clock,
    started: crate::clock::Monotonic,
}

impl Meter {
    fn line(&self) -> String {
        let progress = &self.progress;
        let phase = match progress.phase() {
            Phase::Starting => "preparing",
            Phase::Scanning => "backing up",
            Phase::Committing => "finishing the snapshot",
            Phase::Done => "done",
        };
        let done = progress.bytes_unchanged.load(Relaxed) + progress.bytes_read.load(Relaxed);
        let seconds = self.clock.monotonic().since(self.started).as_secs().max(1);
        let mut line = format!("{phase} {}: {} entries", progress.current(), grouped(progress.entries.load(Relaxed)));
        line += &format!(", {}", bytes(done));
        let rate = done / seconds;
        if let Some((_, total)) = progress.total().filter(|(_, total)| *total >= done) {
            let count = crate::status::Count { done, total: Some(total) };
            line += &format!(" of {}, {}/s", bytes(total), bytes(rate));
            if let Some(left) = RunStatus::eta(count, Some(rate)) {
                line += &format!(", about {} left", span(left));
            }
        } else {
            line += &format!(", {}/s", bytes(rate));
        }
        match progress.problems.load(Relaxed) {
            0 => line,
            count => format!("{line}, {count} problems"),
        }
    }
}
