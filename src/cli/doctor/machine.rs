//! The machine itself: its clock, the limits of its kernel.

use super::Finding;
use crate::cli::context::Context;
use crate::config::Places;

/// 2026-01-01: this program is younger.
const YOUNGEST: i64 = 1_767_225_600;
/// A file may be that much in the future without a wrong clock: another machine wrote it.
const SLACK_SECS: i64 = 24 * 3600;
/// Enough for most home directories.
const FEW_WATCHES: u64 = 65_536;

/// Recovery points and limits by the time of day are only as true as the clock.
pub(in crate::cli) fn clock(context: &Context, places: &Places) -> Finding {
    const REMEDY: &str = "Set the clock, best by the network: timedatectl set-ntp true";
    let now = context.clock.wall().secs;
    if now < YOUNGEST {
        return Finding::failed("clock", "it shows a time before this program was made", REMEDY);
    }
    let written = |path| std::fs::metadata(path).ok().and_then(|meta| meta.modified().ok());
    let newest = [&places.config, &places.state.join("journal.db")].into_iter().filter_map(written).max();
    let ahead = newest.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok()).map_or(0, |t| t.as_secs());
    match i64::try_from(ahead).is_ok_and(|ahead| ahead > now + SLACK_SECS) {
        true => Finding::warning("clock", "own files are from the future: the clock was set back", REMEDY),
        false => Finding::ok("clock", "it shows a time that can be"),
    }
}

/// Each watched directory takes one.
pub(in crate::cli) fn watches() -> Finding {
    const CHECK: &str = "watches";
    let path = "/proc/sys/fs/inotify/max_user_watches";
    match std::fs::read_to_string(path).map(|text| text.trim().parse::<u64>()) {
        Ok(Ok(limit)) if limit < FEW_WATCHES => Finding::warning(
            CHECK,
            format!("the kernel lets a user watch {limit} directories; what is beyond is compared from time to time"),
            "sysctl fs.inotify.max_user_watches=524288, and the same in a file in /etc/sysctl.d to keep it",
        ),
        Ok(Ok(limit)) => Finding::ok(CHECK, format!("the kernel lets a user watch {limit} directories")),
        Ok(Err(_)) | Err(_) => {
            Finding::warning(CHECK, format!("{path} cannot be read"), "Nothing, on other systems than Linux.")
        }
    }
}
