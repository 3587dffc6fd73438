//! Patterns, compiled: gitignore lines by the crate `ignore`, regular expressions on bytes by `regex`.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use regex::bytes::{RegexSet, RegexSetBuilder};

use super::Reason;
use crate::model::RelPath;

/// A pattern that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the pattern {pattern:?} is not valid: {reason}")]
pub struct PatternError {
    pub pattern: String,
    pub reason: String,
}

/// Can it be used? For the configuration, which names the line.
pub fn check_pattern(is_regex: bool, pattern: &str) -> Result<(), PatternError> {
    match is_regex {
        true => compile_regex(std::slice::from_ref(&pattern)).map(|_| ()),
        false => Globs::compile(&[pattern]).map(|_| ()),
    }
}

/// Such a pattern leaves out everything, which nobody means.
const MATCHES_ALL: &str = "it matches the empty text, and so every path: write what a path must hold to be left out";

/// What a list of patterns says about a path; most often nothing.
pub(super) enum Verdict {
    Exclude(Reason),
    /// A `!` pattern: no rule further away may exclude it.
    Include,
}

/// One list of gitignore lines, relative to the directory that it belongs to. The last line that matches decides.
#[derive(Debug)]
pub(super) struct Globs(Gitignore);

impl Globs {
    pub(super) fn compile<P: AsRef<str>>(lines: &[P]) -> Result<Self, PatternError> {
        let (globs, mut faults) = Self::compile_lenient(lines.iter().map(AsRef::as_ref));
        match faults.pop() {
            None => Ok(globs),
            Some(fault) => Err(fault),
        }
    }

    /// Lines that cannot be used are returned and exclude nothing.
    pub(super) fn compile_lenient<'a>(lines: impl Iterator<Item = &'a str>) -> (Self, Vec<PatternError>) {
        let error = |line: &str, e: &ignore::Error| PatternError { pattern: line.into(), reason: e.to_string() };
        let mut faults = Vec::new();
        // "." keeps the matcher from stripping anything: paths come relative to their directory already
        let mut builder = GitignoreBuilder::new(".");
        // `[z` is more likely a slip than a file of that name
        builder.allow_unclosed_class(false);
        for line in lines {
            if let Err(e) = builder.add_line(None, &with_exact_end(line)) {
                faults.push(error(line, &e));
            }
        }
        let globs = builder.build().unwrap_or_else(|e| {
            faults.push(error("(all of them together)", &e));
            Gitignore::empty()
        });
        (Self(globs), faults)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn verdict(&self, path: &[u8], is_dir: bool, reason: impl FnOnce(String) -> Reason) -> Option<Verdict> {
        match self.0.matched(Path::new(OsStr::from_bytes(path)), is_dir) {
            Match::None => None,
            Match::Ignore(glob) => Some(Verdict::Exclude(reason(glob.original().to_owned()))),
            Match::Whitelist(_) => Some(Verdict::Include),
        }
    }
}

/// The crate cuts off all white space at the end, git only blanks.
fn with_exact_end(line: &str) -> Cow<'_, str> {
    match line.trim_end_matches(' ').char_indices().next_back() {
        Some((at, last)) if last.is_whitespace() && last != ' ' => Cow::Owned(format!("{}[{last}]", &line[..at])),
        _ => Cow::Borrowed(line),
    }
}

/// Regular expressions searched in the whole path below the root.
#[derive(Debug)]
pub(super) struct Regexes(RegexSet);

impl Regexes {
    pub(super) fn compile(patterns: &[String]) -> Result<Self, PatternError> {
        compile_regex(patterns).map(Self)
    }

    pub(super) fn find(&self, path: &RelPath) -> Option<&str> {
        let first = self.0.matches(path.as_bytes()).iter().next()?;
        Some(&self.0.patterns()[first])
    }
}

/// `(?-u)` bytes are allowed; the size is bounded, so that a pattern cannot eat the memory.
fn compile_regex<P: AsRef<str>>(patterns: &[P]) -> Result<RegexSet, PatternError> {
    let set = RegexSetBuilder::new(patterns).size_limit(4 << 20).build().map_err(|e| {
        let first = patterns.iter().find(|p| regex::bytes::Regex::new(p.as_ref()).is_err());
        let pattern = first.map_or("(all of them together)", |p| p.as_ref()).to_owned();
        // the message of the crate draws the pattern over several lines: the last one says what is wrong
        let text = e.to_string();
        let reason = text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
        PatternError { pattern, reason }
    })?;
    match set.matches(b"").iter().next() {
        Some(first) => Err(PatternError { pattern: set.patterns()[first].clone(), reason: MATCHES_ALL.to_owned() }),
        None => Ok(set),
    }
}
