//! The agent: does it run, and will it after the next start of the machine?

use std::process::{Command, Stdio};

use super::Finding;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::control::ControlError;
use crate::status::counted;

pub(in crate::cli) fn agent(context: &Context) -> Finding {
    const CHECK: &str = "agent";
    let status = context.agent().and_then(|mut agent| Ok(agent.status()?));
    match status {
        Ok(status) if status.problems.is_empty() => Finding::ok(CHECK, format!("it runs, version {}", status.version)),
        Ok(status) => {
            let count = status.problems.len() as u64 + status.more_problems;
            Finding::warning(
                CHECK,
                format!("it runs and has {}", counted(count, "problem", "problems")),
                "rozenctl status",
            )
        }
        Err(CliError::Control(ControlError::NotRunning { .. })) => {
            let start = format!("Start it: {}, or rozenctl up", systemctl("start"));
            Finding::warning(CHECK, "it does not run", start)
        }
        Err(error) => Finding::of_error(CHECK, &error, error.remedy()),
    }
}

/// Where systemd is; other service managers are not asked.
pub(in crate::cli) fn installed() -> Finding {
    const CHECK: &str = "service";
    let asked = Command::new("systemctl").args(whose()).args(["is-enabled", "rozend"]).stdin(Stdio::null()).output();
    let enable = systemctl("enable --now");
    match asked.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()) {
        Ok(state) if state == "enabled" => Finding::ok(CHECK, "systemd starts the agent"),
        Ok(state) if state == "disabled" => Finding::warning(CHECK, "systemd does not start the agent", enable),
        Ok(_) => Finding::warning(
            CHECK,
            "systemd knows no service rozend",
            format!("Install systemd/*.service, then: {enable}"),
        ),
        Err(_) => {
            Finding::warning(CHECK, "there is no systemd here", "See that something starts rozend with the machine.")
        }
    }
}

/// The command as a person types it.
fn systemctl(verb: &str) -> String {
    [&["systemctl"], whose(), &[verb, "rozend"]].concat().join(" ")
}

/// Root's services are those of the machine.
fn whose() -> &'static [&'static str] {
    if rustix::process::geteuid().is_root() { &[] } else { &["--user"] }
}
