//! The one place that prints: results to the standard output, everything else to the standard error.

use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;

use serde_json::{Value, json};
use tracing_subscriber::filter::{EnvFilter, LevelFilter};

use super::error::CliError;
use crate::status::is_unseen;

/// Longer lines are hard to read, however wide the screen is.
const WIDEST: usize = 100;

/// Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Output {
    program: &'static str,
    json: bool,
    verbose: u8,
    /// The standard error is a terminal that knows how: progress may be redrawn there.
    pub(super) live: bool,
    color: bool,
}

impl Output {
    pub(super) fn new(program: &'static str, json: bool, verbose: u8) -> Self {
        let live = io::stderr().is_terminal() && !is_dumb();
        let color = live && super::context::variable("NO_COLOR").is_none();
        Self { program, json, verbose, live, color }
    }

    /// Log lines of the rooms, to the standard error. `least` unless more was asked for.
    pub(super) fn start_logging(&self, least: LevelFilter) {
        let asked = match self.verbose {
            0 => LevelFilter::ERROR,
            1 => LevelFilter::INFO,
            2 => LevelFilter::DEBUG,
            _ => LevelFilter::TRACE,
        };
        let level = least.max(asked);
        // libraries report by errors, which are shown once where they are handled; their log is for those who look into them
        let libraries = if self.verbose > 2 { level } else { LevelFilter::OFF };
        let filter = EnvFilter::new(format!("{libraries},rozen={level}"));
        let log = tracing_subscriber::fmt().with_writer(io::stderr).with_env_filter(filter).with_ansi(self.color);
        // a second start in one process is no reason to end it
        let _ = log.with_target(self.verbose > 1).without_time().try_init();
    }

    /// A line of the result for people; nothing with `--json`.
    pub(super) fn line(&self, text: impl AsRef<str>) -> Result<(), CliError> {
        if self.json {
            return Ok(());
        }
        let mut out = io::stdout().lock();
        if self.live && out.is_terminal() {
            // a progress line may stand here; it is drawn again below
            let _ = write!(io::stderr().lock(), "\r\x1b[2K");
        }
        writeln!(out, "{}", text.as_ref()).map_err(CliError::Output)
    }

    /// An empty screen for the next state, where there is a screen.
    pub(super) fn clear(&self) -> Result<(), CliError> {
        let mut out = io::stdout().lock();
        if self.json || !out.is_terminal() || is_dumb() {
            return Ok(());
        }
        write!(out, "\x1b[2J\x1b[H").map_err(CliError::Output)
    }

    /// The result for programs: one JSON value on one line; nothing without `--json`.
    pub(super) fn json(&self, value: impl FnOnce() -> Value) -> Result<(), CliError> {
        if !self.json {
            return Ok(());
        }
        let mut out = io::stdout().lock();
        writeln!(out, "{}", escaped(&value())).and_then(|()| out.flush()).map_err(CliError::Output)
    }

    /// Sentences of the result for people, in lines that fit the screen; nothing with `--json`.
    pub(super) fn prose(&self, text: impl AsRef<str>) -> Result<(), CliError> {
        self.line(fitted(text.as_ref(), &io::stdout()))
    }

    /// A remark beside the result.
    pub(super) fn note(&self, text: impl AsRef<str>) {
        // without a standard error there is nobody to tell
        let _ = writeln!(io::stderr().lock(), "{}", fitted(text.as_ref(), &io::stderr()));
    }

    /// Something that a person should know, but that does not stop the command.
    pub(super) fn warn(&self, text: impl AsRef<str>) {
        self.note(format!("{} {}", self.colored("33", "warning:"), text.as_ref()));
    }

    /// What, the causes, what to do about it.
    pub(super) fn error(&self, error: &CliError) {
        let causes = causes(error);
        if self.json {
            let value = json!({ "error": {
                "message": error.to_string(), "causes": causes,
                "remedy": error.remedy(), "exit_code": error.exit() as u8,
            }});
            // without a standard error there is nobody to tell
            let _ = writeln!(io::stderr().lock(), "{}", escaped(&value));
            return;
        }
        self.note(format!("{} {error}", self.colored("1;31", &format!("{}:", self.program))));
        causes.iter().for_each(|cause| self.note(format!("  because: {cause}")));
        let remedy = error.remedy();
        if !remedy.is_empty() {
            self.note(format!("  remedy: {remedy}"));
        }
    }

    fn colored(&self, code: &str, text: &str) -> String {
        if self.color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Nothing in it that a terminal would obey: JSON itself escapes only the first 32 characters. What is escaped here stands in strings
/// alone, and is the same text for whoever parses it.
fn escaped(value: &Value) -> String {
    let mut out = String::new();
    for c in value.to_string().chars() {
        match c.is_control() || is_unseen(c) {
            true => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            false => out.push(c),
        }
    }
    out
}

/// It only shows characters, one after the other.
fn is_dumb() -> bool {
    super::context::variable("TERM").is_some_and(|term| term == "dumb")
}

/// On a terminal, broken between words; what goes on stands as far to the right as the line began. Elsewhere as it is: who
/// reads a log searches in lines.
fn fitted(text: &str, out: &impl AsFd) -> String {
    match terminal_size::terminal_size_of(out) {
        Some((width, _)) => wrapped(text, usize::from(width.0)),
        None => text.to_owned(),
    }
}

fn wrapped(text: &str, width: usize) -> String {
    let line = |line: &str| {
        let indent = " ".repeat(line.len() - line.trim_start_matches(' ').len());
        let options = textwrap::Options::new(width.clamp(20, WIDEST)).break_words(false);
        textwrap::fill(line.trim_start_matches(' '), options.initial_indent(&indent).subsequent_indent(&indent))
    };
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

/// The sources, without those that say the same again.
fn causes(error: &CliError) -> Vec<String> {
    let mut causes = Vec::new();
    let mut last = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if text != last {
            causes.push(text.clone());
            last = text;
        }
        source = cause.source();
    }
    causes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_break_between_words_and_keep_their_indent() {
        assert_eq!(wrapped("one two three four five six", 20), "one two three four\nfive six");
        assert_eq!(wrapped("  remedy: give the file again", 20), "  remedy: give the\n  file again");
        assert_eq!(wrapped("first\n\nsecond", 20), "first\n\nsecond");
    }

    #[test]
    fn json_says_nothing_that_a_terminal_obeys_and_means_the_same() {
        let value = json!({ "path": "/a\u{9b}31m\u{202e}\x1b[2J\n\u{7f}é" });
        let text = escaped(&value);
        assert!(!text.contains(|c: char| c.is_control() || is_unseen(c)), "{text:?}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }

    #[test]
    fn what_must_stay_whole_stays_whole() {
        let name = "/a/name/that/is/longer/than/the/screen";
        assert_eq!(wrapped(&format!("see {name}"), 20), format!("see\n{name}"));
    }
}
