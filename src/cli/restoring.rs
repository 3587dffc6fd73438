//! The passes of a restore: what reads at once, then what an archive has given, and at last what turned out to be damaged where it
//! reads at once and lies in an archive as well.
//!
//! What must hold: each pass finds what is there already, and problems are those of the last one. A thaw may take days, in which packs
//! are merged: each pass asks anew where chunks are.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::at_once;
use super::context::Context;
use super::error::CliError;
use super::prices::Prices;
use super::read_plan::{self, ThawArgs};
use super::show::{Live, Meter};
use super::thaw;
use crate::cost::Money;
use crate::format::Manifest;
use crate::model::with_causes;
use crate::repo::{Contents, Repository};
use crate::restore::{self, Progress, Reads, RestoreOptions, RestoreReport};
use crate::status::counted;

pub(super) struct Restoring<'a> {
    pub repository: &'a Repository,
    pub manifest: &'a Manifest,
    pub options: RestoreOptions,
    pub prices: &'a Prices,
    pub args: &'a ThawArgs,
    pub context: &'a Context,
}

impl Restoring<'_> {
    /// `reads`: what is known to be read; `None`: it reads at once, and nobody asks for a price.
    pub fn run(&self, contents: Contents, reads: Option<Reads>) -> Result<RestoreReport, CliError> {
        let mut passes = Passes::default();
        let mut damaged = self.repository.damaged_copies();
        self.first(contents, reads, &mut passes)?;
        while self.repository.damaged_copies() > damaged {
            damaged = self.repository.damaged_copies();
            let Some(reads) = self.in_archive()? else { break };
            self.context.output.line("some of this is damaged where it reads at once; the archive has it as well")?;
            match self.thawed(reads, &mut passes) {
                Err(error) if !self.context.stop.load(Relaxed) => {
                    self.context.output.warn(format!("{}. {}", with_causes(&error), error.remedy()));
                    break;
                }
                done => done?,
            }
        }
        Ok(passes.finish())
    }

    fn first(&self, contents: Contents, reads: Option<Reads>, passes: &mut Passes) -> Result<(), CliError> {
        match reads {
            Some(reads) if reads.has_archived() => {
                drop(contents);
                self.thawed(reads, passes)
            }
            reads => {
                if let Some(reads) = reads {
                    let plan = read_plan::at_once(&reads, self.prices)?;
                    self.context.output.line(plan.line(self.context))?;
                    plan.agree(&at_once::RESTORE, &self.args.cost, self.context)?;
                }
                passes.add(self.pass(&contents, self.options.clone())?);
                Ok(())
            }
        }
    }

    /// What must be thawed, as far as is known now.
    fn in_archive(&self) -> Result<Option<Reads>, CliError> {
        let reads = Reads::of_archive(&self.repository.contents()?, self.manifest, &self.options)?;
        Ok(reads.filter(|reads| reads.counts().frozen + reads.counts().thawing > 0))
    }

    /// Restores what reads at once, and everything else when it has thawed.
    fn thawed(&self, reads: Reads, passes: &mut Passes) -> Result<(), CliError> {
        let early = RestoreOptions { leave_archived: true, ..self.options.clone() };
        let mut spent = passes.spent;
        let reads = (reads, &mut spent);
        thaw::wait(reads, self.repository, self.prices, self.args, self.context, |reads| {
            let contents = self.repository.contents()?.with_frozen(reads.frozen());
            let report = self.pass(&contents, early.clone())?;
            let files = counted(report.files, "file", "files");
            passes.add(report);
            self.context.output.line(format!("restored {files} so far"))
        })?;
        passes.spent = spent;
        passes.add(self.pass(&self.repository.contents()?, self.options.clone())?);
        Ok(())
    }

    fn pass(&self, contents: &Contents, options: RestoreOptions) -> Result<RestoreReport, CliError> {
        let progress = Arc::new(Progress::default());
        let live = follow(&progress, self.context);
        let result = restore::run(contents, self.manifest, options, &progress);
        drop(live);
        Ok(result?)
    }
}

/// What was written by all, and the last.
#[derive(Default)]
struct Passes {
    files: u64,
    bytes: u64,
    others: u64,
    hard_links: u64,
    /// For asking an archive.
    spent: Money,
    last: RestoreReport,
}

impl Passes {
    fn add(&mut self, pass: RestoreReport) {
        self.files += pass.files;
        self.bytes += pass.bytes;
        self.others += pass.others;
        self.hard_links += pass.hard_links;
        self.last = pass;
    }

    /// What the passes before had written was there already for the last one.
    fn finish(self) -> RestoreReport {
        let Self { files, bytes, others, hard_links, last, .. } = self;
        let before = (files + others + hard_links) - (last.files + last.others + last.hard_links);
        RestoreReport { files, bytes, others, hard_links, skipped: last.skipped.saturating_sub(before), ..last }
    }
}

/// Shows how far it is, and hands on the wish to stop.
fn follow(progress: &Arc<Progress>, context: &Context) -> Live {
    let (progress, stop) = (progress.clone(), context.stop.clone());
    let meter = Meter::start(&context.clock);
    Live::start(&context.output, move || {
        if stop.load(Relaxed) {
            progress.stop();
        }
        let now = progress.now();
        let line = format!(
            "restoring: {}, {}",
            counted(now.entries, "entry", "entries"),
            meter.bytes(now.bytes, now.total.map(|t| t.1))
        );
        match now.problems {
            0 => line,
            count => format!("{line}, {}", counted(count, "problem", "problems")),
        }
    })
}
