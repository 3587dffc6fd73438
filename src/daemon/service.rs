//! The service manager: readiness, status line, watchdog. Without one, nothing happens.

use std::time::Duration;

use sd_notify::NotifyState;

use crate::status::{Agent, Status, counted};

/// To be told so often that the agent is alive; `None` when nobody asks.
pub(super) fn watchdog_period() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|limit| limit / 3)
}

pub(super) fn ready() {
    tell(&[NotifyState::Ready]);
}

pub(super) fn alive() {
    tell(&[NotifyState::Watchdog]);
}

pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

pub(super) fn status(status: &Status) {
    tell(&[NotifyState::Status(&line(status))]);
}

fn line(status: &Status) -> String {
    let what = match (&status.agent, &status.run) {
        (Agent::Stopping, _) => "stopping",
        (_, Some(_)) => "backing up",
        (Agent::Starting, None) => "starting",
        (Agent::Paused { .. }, None) => "paused",
        (Agent::Watching, None) => "watching",
    };
    let safe = status.roots.iter().filter(|root| root.up_to_date).count();
    let problems = status.problems.len() as u64 + status.more_problems;
    let roots = counted(status.roots.len() as u64, "root", "roots");
    format!("{what}; {safe} of {roots} up to date, {}", counted(problems, "problem", "problems"))
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "the service manager does not listen");
    }
}
