//! The command line as a whole: global flags and the list of commands.

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand};

use super::commands::{
    backup, cat, check, cost, diff, find, history, init, key, ls, pause, recover, restore, snapshots, status, target,
    up,
};

/// Continuous, encrypted backup of folders, and the way back.
///
/// Protect a folder now:   rozenctl up ~/Documents
/// See what is safe:       rozenctl status
/// Get files back:         rozenctl restore latest --recovery FILE --to DIR
#[derive(Parser, Debug)]
#[command(name = "rozenctl", version, verbatim_doc_comment, after_help = EXIT_CODES, max_term_width = 110)]
#[command(propagate_version = true, infer_long_args = false)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) common: Common,
    /// Print JSON instead of text
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub(super) json: bool,
    #[command(subcommand)]
    pub(super) command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 usage, 3 done with problems, 4 the agent is not running, \
5 not permitted, 10 no repository, 11 in use, 12 wrong key, 130 interrupted.
Environment: ROZEN_CONFIG, ROZEN_RECOVERY_FILE, ROZEN_PASSPHRASE_FILE, NO_COLOR.";

const AGENT_EXIT_CODES: &str =
    "Exit codes: 0 stopped, 1 failed, 2 usage, 5 not permitted, 11 in use, 130 ended by a second signal.
Environment: ROZEN_CONFIG, NO_COLOR.";

/// The agent: backs up continuously, in the foreground, until it is stopped
///
/// It logs to the standard error and tells systemd when it is ready. `rozenctl status` shows what it does.
#[derive(Parser, Debug)]
#[command(name = "rozend", version, after_help = AGENT_EXIT_CODES, max_term_width = 110)]
pub(super) struct AgentArguments {
    #[command(flatten)]
    pub(super) common: Common,
}

/// What both programs take.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct Common {
    /// The configuration file [default: /etc/rozen/rozen.toml for root, else ~/.config/rozen/rozen.toml]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Everywhere")]
    pub(super) config: Option<PathBuf>,
    /// The directory of journal and spool [default: /var/lib/rozen for root, else ~/.local/state/rozen]
    #[arg(long, global = true, value_name = "DIR", help_heading = "Everywhere")]
    pub(super) state: Option<PathBuf>,
    /// Say more about what is done; twice for still more
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = "Everywhere")]
    pub(super) verbose: u8,
}

#[derive(Subcommand, Debug)]
pub(super) enum Command {
    Up(up::UpArgs),
    Init(init::InitArgs),
    Backup(backup::BackupArgs),
    Status(status::StatusArgs),
    Pause(pause::PauseArgs),
    /// Go on after a pause
    Resume,
    Restore(restore::RestoreArgs),
    Recover(recover::RecoverArgs),
    Ls(ls::LsArgs),
    Find(find::FindArgs),
    Cat(cat::CatArgs),
    Diff(diff::DiffArgs),
    History(history::HistoryArgs),
    Check(check::CheckArgs),
    Cost(cost::CostArgs),
    /// Look whether everything is in place for backups
    ///
    /// Configuration, keys, folders, target, clock, limits, agent, service: one line each, with what to do. Exit code 3 when
    /// something is to be done.
    Doctor,
    Key(key::KeyArgs),
    Snapshots(snapshots::SnapshotsArgs),
    Target(target::TargetArgs),
}
