//! `rozenctl target check`: settings are read, what must not work is tried.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use serde_json::json;

use super::which::WhichArgs;
use crate::bucket::{self, Conclusion, DirectoryReport, Report};
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::protection;
use crate::status::printable;
use crate::store::StoreUrl;

/// What could a thief with this machine's credentials do? Looks at the storage, and tries it
///
/// Of a bucket the settings are read, and on objects made for it (below `probe/`, a few bytes each) it is tried to replace and
/// delete. Nothing else is touched and no setting is changed. What was found out about the server is kept with the state
/// of this machine. Run it with the credentials that the backup uses.
///
/// Exit codes: 0 all is right, 3 there are findings, 1 backups are in danger or that cannot be told.
#[derive(Args, Debug)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    which: WhichArgs,
    /// Try the storage classes too: one object of 12 bytes in each, billed for the least time of its class
    #[arg(long)]
    classes: bool,
}

pub(super) fn run(args: &CheckArgs, context: &Context) -> Result<Exit, CliError> {
    // whatever is tried is small, and may be cut off anywhere
    context.end_at_once()?;
    match args.which.url(context)? {
        StoreUrl::S3(address) => {
            let report = protection::check(&address, args.classes, context)?;
            keep(&report, context)?;
            tell(&report, report.conclusion, context)
        }
        url @ StoreUrl::Dir(_) => {
            let report = directory(&url, context)?;
            tell(&report, report.conclusion, context)
        }
    }
}

/// Only of the target that is configured here: for others there is no use of it.
fn keep(report: &Report, context: &Context) -> Result<(), CliError> {
    let configured = context.config().ok().and_then(|config| StoreUrl::parse(&config.repository).ok());
    if configured.is_some_and(|url| url.to_string() == report.target) {
        protection::remember(report, &context.places()?.state, context)?;
    }
    Ok(())
}

fn directory(url: &StoreUrl, context: &Context) -> Result<DirectoryReport, CliError> {
    let path = url.as_dir().unwrap_or(Path::new("/"));
    let roots: Vec<PathBuf> =
        context.config().map(|config| config.roots.into_iter().map(|root| root.path).collect()).unwrap_or_default();
    let facts = bucket::look(path, &roots).map_err(|source| CliError::File {
        doing: "look at the directory",
        path: path.into(),
        source,
    })?;
    Ok(DirectoryReport::new(url.to_string(), facts))
}

fn tell<R: std::fmt::Display + Serialize>(
    report: &R,
    conclusion: Conclusion,
    context: &Context,
) -> Result<Exit, CliError> {
    for line in report.to_string().lines() {
        context.output.line(printable(line))?;
    }
    context.output.json(|| json!(report))?;
    Ok(match conclusion {
        Conclusion::Right => Exit::Done,
        Conclusion::Findings => Exit::Problems,
        Conclusion::Danger => Exit::Failed,
    })
}
