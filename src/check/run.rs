//! The order of a check: objects first, then data, then what their damage costs.

use std::collections::HashSet;

use super::data::{self, DataReads};
use super::made_good;
use super::objects::Objects;
use super::progress::CheckProgress;
use super::report::{CheckReport, Finding, FindingCode};
use super::snapshots::{check_snapshots, tell_lost};
use super::trees::Trees;
use super::unlisted::check_unlisted;
use super::{CheckError, report::DamageList};
use crate::format::Manifest;
use crate::model::{PackKey, with_causes};
use crate::repo::{Contents, Files, RepoError, Repository, names};

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CheckOptions {
    /// Percent of the packs to be read, chosen at random each time; 0 reads none.
    pub read_data: u8,
}

/// A check that has looked at the objects, and read no data yet.
pub struct Check<'a> {
    repository: &'a Repository,
    progress: &'a CheckProgress,
    manifests: Vec<Manifest>,
    contents: Contents,
    objects: Objects,
    /// Packs of which the data is to be read.
    chosen: HashSet<PackKey>,
    report: CheckReport,
}

/// Checks all machines of the repository.
pub fn run(
    repository: &Repository,
    options: CheckOptions,
    progress: &CheckProgress,
) -> Result<CheckReport, CheckError> {
    Check::begin(repository, options, progress)?.finish()
}

impl<'a> Check<'a> {
    pub fn begin(
        repository: &'a Repository,
        options: CheckOptions,
        progress: &'a CheckProgress,
    ) -> Result<Self, CheckError> {
        let mut report = CheckReport::default();
        let (machines, errors) = repository.machines()?;
        tell_records(repository, &errors, &mut report);
        let (manifests, without_any) = check_snapshots(repository, &machines, &mut report)?;
        let contents = repository.contents()?;
        let objects = Objects::read(repository, &machines, &mut report)?;
        report.packs = objects.packs.len() as u64;
        tell_lost(&without_any, &objects, &mut report);
        check_unlisted(&contents, &objects, &mut report)?;
        let chosen = data::choose(&objects, options.read_data);
        Ok(Self { repository, progress, manifests, contents, objects, chosen, report })
    }

    /// What reading the data takes, before any of it is read; of one class each.
    pub fn reads(&self) -> Vec<DataReads> {
        data::reads_of(&self.objects, &self.chosen)
    }

    pub fn finish(self) -> Result<CheckReport, CheckError> {
        let Self { repository, progress, manifests, contents, mut objects, chosen, mut report } = self;
        if !chosen.is_empty() {
            data::read_packs(repository, &contents, &mut objects, chosen, progress, &mut report)?;
        }
        made_good::set_apart(repository, &objects, &mut report)?;
        let mut damage = DamageList::default();
        let mut trees = Trees::new(&contents, Files::new(&contents), &objects, progress);
        for manifest in &manifests {
            trees.check(manifest, &mut damage)?;
        }
        report.entries = trees.entries;
        report.has_lost_chunks = trees.has_lost_chunks;
        report.findings.append(&mut trees.findings);
        damage.put_into(&mut report);
        for findings in [&mut report.findings, &mut report.made_good] {
            findings.sort();
            findings.dedup();
        }
        Ok(report)
    }
}

/// What is wrong with the records of the repository and of its machines.
fn tell_records(repository: &Repository, of_machines: &[RepoError], report: &mut CheckReport) {
    let damage = repository.damage.iter().map(|error| (FindingCode::Repository, error));
    for (code, error) in damage.chain(of_machines.iter().map(|error| (FindingCode::Machine, error))) {
        let place =
            if code == FindingCode::Repository { names::repository().to_string() } else { "machines".to_owned() };
        let object = error.object().map_or(place, ToString::to_string);
        // which object it is stands before it already
        let told = with_causes(error);
        let message = told.strip_prefix(&object).map_or_else(|| told.clone(), |rest| format!("it{rest}"));
        report.findings.push(Finding { code, object, message });
    }
}
