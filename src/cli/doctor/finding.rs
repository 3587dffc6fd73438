//! One finding.

use serde::Serialize;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::cli) enum State {
    Ok,
    /// Backups go on, but something should be done.
    Warning,
    /// There are no backups like this.
    Failed,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(in crate::cli) struct Finding {
    pub(in crate::cli) check: &'static str,
    pub(in crate::cli) state: State,
    pub(in crate::cli) message: String,
    /// Empty when nothing is to be done.
    pub(in crate::cli) remedy: String,
}

impl Finding {
    pub(super) fn ok(check: &'static str, message: impl Into<String>) -> Self {
        Self { check, state: State::Ok, message: message.into(), remedy: String::new() }
    }

    pub(super) fn warning(check: &'static str, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { check, state: State::Warning, message: message.into(), remedy: remedy.into() }
    }

    pub(super) fn failed(check: &'static str, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { check, state: State::Failed, message: message.into(), remedy: remedy.into() }
    }

    /// From an error with its causes.
    pub(super) fn of_error(check: &'static str, error: &dyn std::error::Error, remedy: impl Into<String>) -> Self {
        let causes = std::iter::successors(error.source(), |cause| cause.source());
        let causes: String = causes.map(|cause| format!(": {cause}")).collect();
        Self::failed(check, format!("{error}{causes}"), remedy)
    }
}
