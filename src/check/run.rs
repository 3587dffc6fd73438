//! The order of a check: objects first, then data, then what their damage costs.

use super::data::read_packs;
use super::made_good;
use super::objects::Objects;
use super::progress::CheckProgress;
use super::report::{CheckReport, Finding, FindingCode};
use super::snapshots::{check_snapshots, tell_lost};
use super::trees::Trees;
use super::{CheckError, report::DamageList};
use crate::model::with_causes;
use crate::repo::{Files, Repository, names};

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CheckOptions {
    /// Percent of the packs to be read, chosen at random each time; 0 reads none.
    pub read_data: u8,
}

/// Checks all machines of the repository.
pub fn run(
    repository: &Repository,
    options: CheckOptions,
    progress: &CheckProgress,
) -> Result<CheckReport, CheckError> {
    let mut report = CheckReport::default();
    let (machines, errors) = repository.machines()?;
    let damage = repository.damage.iter().map(|error| (FindingCode::Repository, error));
    for (code, error) in damage.chain(errors.iter().map(|error| (FindingCode::Machine, error))) {
        let place =
            if code == FindingCode::Repository { names::repository().to_string() } else { "machines".to_owned() };
        let object = error.object().map_or(place, ToString::to_string);
        // which object it is stands before it already
        let told = with_causes(error);
        let message = told.strip_prefix(&object).map_or_else(|| told.clone(), |rest| format!("it{rest}"));
        report.findings.push(Finding { code, object, message });
    }
    let (manifests, without_any) = check_snapshots(repository, &machines, &mut report)?;
    let contents = repository.contents()?;
    let mut objects = Objects::read(repository, &machines, &mut report)?;
    report.packs = objects.packs.len() as u64;
    tell_lost(&without_any, &objects, &mut report);
    if options.read_data > 0 {
        read_packs(repository, &contents, &mut objects, options.read_data, progress, &mut report)?;
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
