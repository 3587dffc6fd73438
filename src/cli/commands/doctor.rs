//! `rozenctl doctor`: is everything in place for backups?

use serde_json::json;

use crate::cli::context::Context;
use crate::cli::doctor::{self, Finding, State};
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::status::printable;

pub(in crate::cli) fn run(context: &Context) -> Result<Exit, CliError> {
    let findings = examine(context)?;
    for finding in &findings {
        show(finding, context)?;
    }
    Ok(Exit::done(findings.iter().any(|finding| finding.state != State::Ok)))
}

fn examine(context: &Context) -> Result<Vec<Finding>, CliError> {
    let places = context.places()?;
    let (finding, config) = doctor::config(context, &places);
    let mut findings = vec![finding];
    if let Some(config) = &config {
        let (finding, keys) = doctor::machine_key(config);
        findings.push(finding);
        findings.extend(doctor::roots(config));
        findings.extend(keys.map(|keys| doctor::target(config, &keys, context)));
    }
    findings.push(doctor::state_dir(&places));
    findings.push(doctor::recovery_files(&places));
    findings.push(doctor::clock(context, &places));
    findings.push(doctor::watches());
    findings.push(doctor::agent(context));
    findings.push(doctor::installed());
    Ok(findings)
}

fn show(finding: &Finding, context: &Context) -> Result<(), CliError> {
    let word = match finding.state {
        State::Ok => "ok",
        State::Warning => "warning",
        State::Failed => "FAILED",
    };
    context.output.line(format!("{word:<8} {}: {}", finding.check, printable(&finding.message)))?;
    if !finding.remedy.is_empty() {
        context.output.line(format!("         remedy: {}", printable(&finding.remedy)))?;
    }
    context.output.json(|| json!(finding))
}
