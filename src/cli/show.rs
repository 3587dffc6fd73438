//! Words for people: times, problems, and a line that shows how far something is.

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{OffsetDateTime, UtcOffset};

use super::output::Output;
use crate::clock::{Clock, Monotonic};
use crate::model::{Problem, Timestamp};
use crate::status::{Count, RunStatus, Viewer, bytes, counted, printable, span};

/// On a terminal a changed line is drawn so often; elsewhere a new one is written every `REPEAT`.
const REDRAW: Duration = Duration::from_millis(200);
/// A line that has not changed: something else may have been written over it, but a terminal is not kept busy for nothing.
const REFRESH: Duration = Duration::from_secs(2);
const REPEAT: Duration = Duration::from_secs(10);
/// More problems than a person reads are counted.
const SHOWN_PROBLEMS: usize = 20;

/// RFC 3339 in UTC, for programs; `null` where there is none.
pub(super) fn json_time(time: Option<Timestamp>) -> Value {
    time.and_then(|time| date(time)?.format(&Rfc3339).ok()).map_or(Value::Null, Value::String)
}

/// The same with all nanoseconds.
pub(super) fn json_time_exact(time: Timestamp) -> Value {
    let date = OffsetDateTime::from_unix_timestamp_nanos(time.as_nanos()).ok();
    date.and_then(|date| date.format(&Rfc3339).ok()).map_or_else(|| json!(format!("@{}", time.secs)), Value::String)
}

/// `2026-11-21 05:49:17`, in the zone of whoever reads.
pub(super) fn local_time(time: Timestamp) -> String {
    let Some(date) = date(time) else { return format!("@{}", time.secs) };
    let offset = UtcOffset::local_offset_at(date).unwrap_or(UtcOffset::UTC);
    let zone = if offset.is_utc() { " UTC" } else { "" };
    let shown = date.to_offset(offset).format(format_description!("[year]-[month]-[day] [hour]:[minute]:[second]"));
    shown.map_or_else(|_| format!("@{}", time.secs), |text| text + zone)
}

/// Who reads the status.
pub(super) fn viewer(clock: &Clock) -> Viewer {
    Viewer { now: clock.wall(), offset: UtcOffset::current_local_offset().unwrap_or(UtcOffset::UTC) }
}

/// `None` beyond the year 9999.
pub(super) fn date(time: Timestamp) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp(time.secs).ok()
}

/// Each with what to do about it, what concerns content first; many are cut short.
pub(super) fn problems(output: &Output, problems: &[Problem]) {
    let (lines, more) = problem_lines(problems);
    lines.into_iter().for_each(|line| output.note(line));
    if more > 0 {
        output.note(format!("  … and {more} more (--json lists all)"));
    }
}

/// And how many problems they do not tell.
fn problem_lines(problems: &[Problem]) -> (Vec<String>, usize) {
    let groups = folded(problems);
    let mut lines = Vec::new();
    for (problem, count) in groups.iter().take(SHOWN_PROBLEMS) {
        let (code, path) = (problem.code.as_str(), printable(&problem.path));
        lines.push(match count {
            1 => format!("  {code}: {path}: {}", problem.message),
            _ => format!("  {code}: {}, {path} first: {}", counted(*count as u64, "entry", "entries"), problem.message),
        });
        if !problem.remedy.is_empty() {
            lines.push(format!("    remedy: {}", problem.remedy));
        }
    }
    (lines, groups.iter().skip(SHOWN_PROBLEMS).map(|(_, count)| count).sum())
}

/// Problems of metadata that are the same but for the path are one, with their number.
fn folded(problems: &[Problem]) -> Vec<(&Problem, usize)> {
    let of_content = problems.iter().filter(|problem| !problem.is_metadata());
    let mut groups: Vec<(&Problem, usize)> = of_content.map(|problem| (problem, 1)).collect();
    let mut places = HashMap::new();
    for problem in problems.iter().filter(|problem| problem.is_metadata()) {
        let place = *places.entry((&problem.message, &problem.remedy)).or_insert(groups.len());
        match groups.get_mut(place) {
            Some((_, count)) => *count += 1,
            None => groups.push((problem, 1)),
        }
    }
    groups
}

/// A line on the standard error that follows some work until it is dropped.
pub(super) struct Live {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Live {
    /// As [`Live::start`], but silent where it cannot be redrawn.
    pub(super) fn on_terminal(output: &Output, line: impl Fn() -> String + Send + 'static) -> Self {
        match output.live {
            true => Self::start(output, line),
            false => Self { stop: None, thread: None },
        }
    }

    /// `line` is asked five times a second and drawn when it is another one, on a thread of its own.
    pub(super) fn start(output: &Output, line: impl Fn() -> String + Send + 'static) -> Self {
        let (stop, stopped) = mpsc::channel::<()>();
        let live = output.live;
        let show = move || {
            let (mut quiet, mut shown) = (Duration::ZERO, String::new());
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(REDRAW) {
                let text = line();
                quiet += REDRAW;
                let due = if live { text != shown || quiet >= REFRESH } else { quiet >= REPEAT };
                if due {
                    draw(live, &text);
                    (quiet, shown) = (Duration::ZERO, text);
                }
            }
            if live {
                draw_raw("\r\x1b[2K");
            }
        };
        // work goes on without a display when there is no thread for it
        let thread = std::thread::Builder::new().name("show".into()).spawn(show).ok();
        Self { stop: Some(stop), thread }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // it only draws; if it panicked, the work did not
            let _ = thread.join();
        }
    }
}

/// How fast, and how long it will take.
pub(super) struct Meter {
    clock: Clock,
    started: Monotonic,
}

impl Meter {
    pub(super) fn start(clock: &Clock) -> Self {
        Self { clock: clock.clone(), started: clock.monotonic() }
    }

    /// `1.0 GiB of 3.0 GiB, 100.0 MiB/s, about 20 seconds left`; less where less is known.
    pub(super) fn bytes(&self, done: u64, total: Option<u64>) -> String {
        self.bytes_at(done, total, done)
    }

    /// `moved`: what of it was done since the start.
    pub(super) fn bytes_at(&self, done: u64, total: Option<u64>, moved: u64) -> String {
        let rate = moved / self.clock.monotonic().since(self.started).as_secs().max(1);
        // a total that was passed was none
        let Some(total) = total.filter(|total| *total >= done) else {
            return format!("{}, {}/s", bytes(done), bytes(rate));
        };
        let left = RunStatus::eta(Count { done, total: Some(total) }, Some(rate)).filter(|left| *left > 0);
        let left = left.map(|left| format!(", about {} left", span(left))).unwrap_or_default();
        format!("{} of {}, {}/s{left}", bytes(done), bytes(total), bytes(rate))
    }
}

fn draw(live: bool, line: &str) {
    match live {
        true => draw_raw(&format!("\r\x1b[2K{}", cut(line, width()))),
        false => draw_raw(&format!("{line}\n")),
    }
}

fn draw_raw(text: &str) {
    let mut err = io::stderr().lock();
    // a display that cannot be written to is nobody's loss
    let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}

fn width() -> usize {
    let columns = rustix::termios::tcgetwinsize(io::stderr()).map_or(0, |size| usize::from(size.ws_col));
    // some terminals do not say
    if columns == 0 { 80 } else { columns }
}

/// One line must stay one line, or it cannot be drawn over.
fn cut(line: &str, width: usize) -> String {
    line.chars().take(width.saturating_sub(1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ProblemCode;

    #[test]
    fn problems_of_content_come_first_and_equal_ones_of_metadata_are_one_line() {
        let owner = |path: &str| Problem::new(ProblemCode::Metadata, path.as_bytes(), "its owner", "restore as root");
        let mut problems: Vec<Problem> = (0..3002).map(|n| owner(&format!("/a{n}"))).collect();
        problems.push(Problem::new(ProblemCode::Damaged, b"/z", "it is lost", ""));
        problems.push(Problem::new(ProblemCode::Metadata, b"/b", "its mode", ""));
        let (lines, more) = problem_lines(&problems);
        let expected = [
            "  damaged: /z: it is lost",
            "  metadata: 3,002 entries, /a0 first: its owner",
            "    remedy: restore as root",
            "  metadata: /b: its mode",
        ];
        assert_eq!((lines.as_slice(), more), (&expected.map(String::from)[..], 0));
    }

    #[test]
    fn many_problems_are_cut_short_and_counted() {
        let lost: Vec<Problem> =
            (0..25).map(|n| Problem::new(ProblemCode::Damaged, format!("/{n}").as_bytes(), "lost", "")).collect();
        let (lines, more) = problem_lines(&lost);
        assert_eq!((lines.len(), more), (20, 5));
    }
}
