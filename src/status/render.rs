//! The status as plain text, for a person who may just have lost a disk: what is safe comes first, every problem
//! says what to do, no word needs the manual.

use std::fmt::{self, Write as _};

use time::UtcOffset;

use super::rfc3339::to_date;
use super::{Agent, ArenaUsage, Count, Limits, Phase, RootState, RootStatus, RunReason, RunStatus, Status, Target};
use crate::model::{Problem, StorageClass, Timestamp};

/// Who reads: their time zone, and the time at which they read.
#[derive(Clone, Copy, Debug)]
pub struct Viewer {
    pub now: Timestamp,
    pub offset: UtcOffset,
}

/// Several lines, each ended by a newline.
pub fn render(status: &Status, viewer: &Viewer) -> String {
    let mut out = String::new();
    write_all(&mut out, status, viewer).expect("writing to a String cannot fail");
    out
}

fn write_all(out: &mut String, status: &Status, viewer: &Viewer) -> fmt::Result {
    let count = status.problems.len() as u64 + status.more_problems;
    write!(out, "Rozen {} {}.", status.version, viewer.agent(status.agent))?;
    match count {
        0 => writeln!(out, " No problems.")?,
        1 => writeln!(out, " 1 problem, see below.")?,
        _ => writeln!(out, " {} problems, see below.", grouped(count))?,
    }
    writeln!(out, "Repository: {} ({})", status.repository, viewer.target(&status.target))?;
    if let Some(limits) = limits(status.limits) {
        writeln!(out, "Limits now: {limits}")?;
    }
    if let Some(cost) = &status.last_run_cost {
        writeln!(out, "Last run:   {}", printable(cost))?;
    }
    for waiting in &status.arena {
        writeln!(out, "Waiting:    {}", arena_line(waiting, |time| viewer.clock(time)))?;
    }
    if let Some(merge) = &status.last_merge {
        writeln!(out, "Merged:     {}", printable(merge))?;
    }
    let gone = status.target.is_gone();
    status.roots.iter().try_for_each(|root| write_root(out, root, gone, viewer))?;
    if let Some(run) = &status.run {
        write_run(out, run, viewer)?;
    }
    write_problems(out, &status.problems, status.more_problems)
}

/// `3 small packs for DEEP_ARCHIVE, 1.2 MiB; merged at 256.0 MiB, or from 2026-12-21 04:58 on`
pub fn arena_line(waiting: &ArenaUsage, show: impl Fn(Timestamp) -> String) -> String {
    let packs = counted(waiting.packs, "small pack", "small packs");
    let (class, size, at) = (waiting.class, bytes(waiting.bytes), bytes(waiting.merge_at_bytes));
    let from = waiting.merge_from.map(|time| format!(", or from {} on", show(time))).unwrap_or_default();
    format!("{packs} for {class}, {size}; merged at {at}{from}")
}

/// `20 small packs into one of 256.1 MiB in GLACIER`
pub fn merge_line(packs: u64, size: u64, class: StorageClass) -> String {
    format!("{} into one of {} in {class}", counted(packs, "small pack", "small packs"), bytes(size))
}

fn limits(limits: Limits) -> Option<String> {
    let of = |word: &str, rate: Option<u64>| rate.map(|rate| format!("{word} {}/s", bytes(rate)));
    let both: Vec<String> =
        [of("upload", limits.upload), of("download", limits.download)].into_iter().flatten().collect();
    (!both.is_empty()).then(|| both.join(", "))
}

const NOT_THERE: &str = "not known: the repository is not there";

/// `gone`: what is told of snapshots was true of a repository that is not there.
fn write_root(out: &mut String, root: &RootStatus, gone: bool, viewer: &Viewer) -> fmt::Result {
    writeln!(out, "\n{}  {}", root.id, printable(root.path.text()))?;
    let safe = if gone { NOT_THERE.to_owned() } else { viewer.safe(root) };
    writeln!(out, "  Safe:      {safe}")?;
    match &root.last_snapshot {
        None if root.recovery_point.is_none() => writeln!(out, "  Snapshot:  none yet")?,
        // a command without the agent made it
        _ if gone => writeln!(out, "  Snapshot:  none that is known to be there")?,
        None => writeln!(out, "  Snapshot:  none by this agent yet; `rozenctl snapshots` lists all")?,
        Some(last) => writeln!(
            out,
            "  Snapshot:  {} of {}, {}, {}{}",
            last.seq,
            viewer.clock(last.time),
            counted(root.entries, "entry", "entries"),
            bytes(root.bytes),
            if last.partial { " (partial: the first backup goes on)" } else { "" }
        )?,
    }
    let coverage = &root.coverage;
    writeln!(out, "  Watching:  {} of {} folders", grouped(coverage.watched), grouped(coverage.total))?;
    for doubt in &coverage.doubts {
        writeln!(out, "             changes may be missed until the next full comparison: {}", printable(doubt))?;
    }
    if root.missed_by_watcher > 0 {
        let missed = counted(root.missed_by_watcher, "folder", "folders");
        write!(out, "             {missed} with changes that only a full comparison found")?;
        match root.missed_by_last_audit {
            Some(last) => writeln!(out, ", {} by the last one", grouped(last))?,
            None => writeln!(out)?,
        }
    }
    writeln!(out, "  Now:       {}", viewer.now_doing(root))
}

fn write_run(out: &mut String, run: &RunStatus, viewer: &Viewer) -> fmt::Result {
    let reason = match run.reason {
        RunReason::Requested => "asked for",
        RunReason::First => "first backup",
        RunReason::Changes => "changes",
        RunReason::Audit => "full comparison",
    };
    let phase = match run.phase {
        Phase::Freezing => "preparing",
        Phase::Scanning => "looking for changes",
        Phase::Storing => "storing",
        Phase::Committing => "finishing the snapshot",
    };
    let roots: Vec<&str> = run.roots.iter().map(|id| id.as_str()).collect();
    writeln!(out, "\nRunning since {} ({reason}): {}", viewer.clock(run.started), roots.join(", "))?;
    write!(out, "  {phase}: {} entries, {}", progress(run.entries, grouped), progress(run.bytes, bytes))?;
    if let Some(rate) = run.bytes_per_second {
        write!(out, ", {}/s", bytes(rate))?;
    }
    if let Some(eta) = run.eta_seconds {
        write!(out, ", about {} left", span(eta))?;
    }
    writeln!(out)
}

fn write_problems(out: &mut String, problems: &[Problem], more: u64) -> fmt::Result {
    if !problems.is_empty() {
        writeln!(out, "\nProblems")?;
    }
    for problem in problems {
        write!(out, "  {}: ", problem.code.as_str())?;
        if !problem.path.is_empty() {
            write!(out, "{}: ", printable(&problem.path))?;
        }
        writeln!(out, "{}", printable(&problem.message))?;
        if !problem.remedy.is_empty() {
            writeln!(out, "    What to do: {}", printable(&problem.remedy))?;
        }
    }
    if more > 0 {
        writeln!(out, "  … and {} more", grouped(more))?;
    }
    Ok(())
}

impl Viewer {
    fn agent(&self, agent: Agent) -> String {
        match agent {
            Agent::Starting => "is starting".to_owned(),
            Agent::Watching => "is watching".to_owned(),
            Agent::Paused { until: None } => "is paused until you resume it".to_owned(),
            Agent::Paused { until: Some(until) } => format!("is paused until {}", self.clock(until)),
            Agent::Stopping => "is stopping".to_owned(),
        }
    }

    fn target(&self, target: &Target) -> String {
        match target {
            Target::Unknown => "not used yet since the start".to_owned(),
            Target::Up => "reachable".to_owned(),
            Target::Down { since, next_try: None, .. } => format!("NOT usable since {}", self.clock(*since)),
            Target::Down { since, next_try: Some(next), .. } => {
                format!("NOT usable since {}, next try at {}", self.clock(*since), self.clock(*next))
            }
        }
    }

    fn safe(&self, root: &RootStatus) -> String {
        match root.recovery_point {
            None => "not everything yet: the first backup is not complete".to_owned(),
            Some(point) if root.up_to_date => {
                format!("everything; last change stored {} ({})", self.clock(point), self.ago(point))
            }
            Some(point) => format!("all changes up to {} ({})", self.clock(point), self.ago(point)),
        }
    }

    fn now_doing(&self, root: &RootStatus) -> String {
        let pending = counted(root.pending_hints, "changed folder", "changed folders");
        match &root.state {
            RootState::Idle if root.pending_hints == 0 => "waiting for changes".to_owned(),
            RootState::Idle => format!("{pending} wait"),
            RootState::Settling { until } => {
                format!("{pending}, backup in {}", span(self.seconds_until(*until)))
            }
            RootState::Queued => format!("{pending}, waiting for its turn"),
            RootState::Running => "backing up".to_owned(),
            RootState::Paused => format!("paused, {pending} wait"),
            RootState::Unavailable { message } => format!("NOT available: {}", printable(message)),
        }
    }

    /// `2026-11-21 04:58` in local time; UTC is named, because few live by it.
    fn clock(&self, time: Timestamp) -> String {
        let date = to_date(time).checked_to_offset(self.offset).unwrap_or_else(|| to_date(time));
        let day = format!("{:04}-{:02}-{:02}", date.year(), u8::from(date.month()), date.day());
        let zone = if date.offset().is_utc() { " UTC" } else { "" };
        format!("{day} {:02}:{:02}{zone}", date.hour(), date.minute())
    }

    fn ago(&self, time: Timestamp) -> String {
        match self.now.secs - time.secs {
            passed if passed < 0 => "by a clock that was ahead".to_owned(),
            passed => format!("{} ago", span(passed.unsigned_abs())),
        }
    }

    fn seconds_until(&self, time: Timestamp) -> u64 {
        u64::try_from(time.secs - self.now.secs).unwrap_or(0)
    }
}

/// A length of time in one unit, as people say it; longer than it is never.
pub fn span(seconds: u64) -> String {
    match seconds {
        0..90 => counted(seconds, "second", "seconds"),
        90..5400 => counted(seconds / 60, "minute", "minutes"),
        5400..172_800 => counted(seconds / 3600, "hour", "hours"),
        _ => counted(seconds / 86_400, "day", "days"),
    }
}

fn progress(count: Count, show: impl Fn(u64) -> String) -> String {
    match count.total {
        Some(total) => format!("{} of {}", show(count.done), show(total)),
        None => show(count.done),
    }
}

/// `1 entry`, `1,200 entries`.
pub fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(count), if count == 1 { one } else { many })
}

/// `1,234,567`
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1.5 MiB`
pub fn bytes(number: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if number < 1024 {
        return format!("{number} B");
    }
    let mut value = number as f64 / 1024.0;
    let mut unit = 0;
    // 1023.95 would print as 1024.0
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// One line, and nothing that a terminal would obey.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || is_unseen(c) { '\u{fffd}' } else { c }).collect()
}

/// What lets a line look like another one: it turns the direction of writing, or breaks the line.
pub fn is_unseen(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
#[path = "render_tests.rs"]
mod tests;
