//! The rules of one root, and of each directory below it as ignore files add to them.
//!
//! Nearest wins, as in git: the ignore file of the directory itself, those above it, the globs of the configuration,
//! the shipped list; in one list the last line that matches. Regular expressions and the size limit hold unless a
//! `!` pattern has taken the path in.

use std::fmt;
use std::sync::Arc;

use super::patterns::{Globs, Regexes, Verdict};
use super::{ExcludeConfig, PatternError};
use crate::config::Size;
use crate::model::RelPath;

/// Name of the file that marks a cache directory (bford.info/cachedir), and what it must begin with.
pub const CACHEDIR_TAG: &[u8] = b"CACHEDIR.TAG";
pub const CACHEDIR_SIGNATURE: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55";

const DEFAULT_LIST: &str = include_str!("default.txt");

/// Why something is left out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reason {
    /// A line of `exclude.globs`.
    Glob(String),
    /// A line of `exclude.regex`.
    Regex(String),
    /// A line of an ignore file in `dir`.
    IgnoreFile {
        dir: RelPath,
        line: String,
    },
    /// A line of the shipped list.
    DefaultList(String),
    LargerThan(Size),
    /// It stands in a directory marked by CACHEDIR.TAG.
    CacheDir,
    /// It stands in a directory that holds this marker.
    IfPresent(String),
    /// Found by the caller.
    NoDump,
    /// Found by the caller.
    OtherFilesystem,
}

/// A line of an ignore file that cannot be used; it excludes nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IgnoreFault {
    pub file: RelPath,
    pub error: PatternError,
}

/// The rules that hold in one directory. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Rules {
    base: Arc<Base>,
    nearest: Option<Arc<Level>>,
    /// Set while in a directory whose content is left out by a marker.
    marked: Option<Arc<Marked>>,
}

#[derive(Debug)]
struct Base {
    config: ExcludeConfig,
    globs: Globs,
    default_list: Globs,
    regex: Regexes,
}

/// The ignore file of one directory, and those above it.
#[derive(Debug)]
struct Level {
    dir: RelPath,
    globs: Globs,
    above: Option<Arc<Level>>,
}

#[derive(Debug)]
struct Marked {
    dir: RelPath,
    reason: Reason,
    /// The name that stays, so that a restored directory is still marked.
    keep: Vec<u8>,
}

impl Rules {
    pub fn compile(config: &ExcludeConfig) -> Result<Self, PatternError> {
        let default_list = if config.default_list { DEFAULT_LIST } else { "" };
        let base = Base {
            globs: Globs::compile(&config.globs)?,
            default_list: Globs::compile(&default_list.lines().collect::<Vec<_>>())?,
            regex: Regexes::compile(&config.regex)?,
            config: config.clone(),
        };
        Ok(Self { base: Arc::new(base), nearest: None, marked: None })
    }

    /// The settings that they were compiled from, for what the caller must look at itself: names of ignore files and
    /// markers, `nodump`, `one_filesystem`.
    pub fn config(&self) -> &ExcludeConfig {
        &self.base.config
    }

    /// A text that changes when the rules do: then a root must be compared in full, because what was left out
    /// before left no hints.
    pub fn fingerprint(&self) -> String {
        let list = if self.base.config.default_list { DEFAULT_LIST } else { "" };
        format!("{:?}{list}", self.base.config)
    }

    /// Ignore files stay whatever the rules say: without the one of before nobody could tell that it has changed, and what it left
    /// out with it.
    pub fn is_ignore_file(&self, name: &[u8]) -> bool {
        self.base.config.files.iter().any(|file| file.as_bytes() == name)
    }

    /// Is `path` left out? `size` in bytes counts for what is no directory. Its parents must have been asked before.
    pub fn excludes(&self, path: &RelPath, is_dir: bool, size: u64) -> Option<Reason> {
        if path.is_root() {
            return None;
        }
        if let Some(marked) = &self.marked
            && let Some(reason) = marked.excludes(path)
        {
            return Some(reason);
        }
        if !is_dir && self.is_ignore_file(path.name()) {
            return None;
        }
        match self.by_globs(path, is_dir) {
            Some(Verdict::Exclude(reason)) => return Some(reason),
            Some(Verdict::Include) => return None,
            None => {}
        }
        if let Some(pattern) = self.base.regex.find(path) {
            return Some(Reason::Regex(pattern.to_owned()));
        }
        self.base.config.larger_than.filter(|limit| !is_dir && size > limit.0).map(Reason::LargerThan)
    }

    /// As [`Rules::excludes`] with the directories above `path` asked first, for who does not walk (the watcher).
    /// Knows the ignore files that these rules have entered and no others.
    pub fn excludes_with_parents(&self, path: &RelPath, is_dir: bool) -> Option<Reason> {
        let mut above = RelPath::root();
        for component in path.parent()?.components() {
            above = above.join(component);
            if let Some(reason) = self.excludes(&above, true, 0) {
                return Some(reason);
            }
        }
        self.excludes(path, is_dir, 0)
    }

    /// The rules inside `dir`: `files` are those of `config().files` that it holds, with their content, in the order
    /// of the configuration.
    pub fn enter(&self, dir: &RelPath, files: &[(&[u8], &[u8])]) -> (Rules, Vec<IgnoreFault>) {
        let mut rules = self.clone();
        let mut faults = Vec::new();
        for (name, content) in files {
            let file = dir.join(name);
            let globs = read_ignore_file(content, &file, &mut faults);
            if !globs.is_empty() {
                let above = rules.nearest.take();
                rules.nearest = Some(Arc::new(Level { dir: dir.clone(), globs, above }));
            }
        }
        (rules, faults)
    }

    /// Is the content of `dir` left out because of a marker in it? `holds` says whether it holds a name,
    /// `tag` is the beginning of its CACHEDIR.TAG if it has one. The root is never marked: its owner named it.
    pub fn marker(&self, dir: &RelPath, holds: impl Fn(&[u8]) -> bool, tag: Option<&[u8]>) -> Option<Reason> {
        if dir.is_root() {
            return None;
        }
        let config = &self.base.config;
        if config.caches && tag.is_some_and(|bytes| bytes.starts_with(CACHEDIR_SIGNATURE)) {
            return Some(Reason::CacheDir);
        }
        config.if_present.iter().find(|name| holds(name.as_bytes())).map(|name| Reason::IfPresent(name.clone()))
    }

    /// The rules inside a directory whose content [`Rules::marker`] left out: all but the marker goes.
    pub fn enter_marked(&self, dir: &RelPath, reason: Reason) -> Rules {
        let keep = match &reason {
            Reason::IfPresent(name) => name.as_bytes().to_vec(),
            _ => CACHEDIR_TAG.to_vec(),
        };
        let marked = Some(Arc::new(Marked { dir: dir.clone(), reason, keep }));
        Rules { marked, ..self.clone() }
    }

    fn by_globs(&self, path: &RelPath, is_dir: bool) -> Option<Verdict> {
        let mut level = self.nearest.as_deref();
        while let Some(at) = level {
            let reason = |line| Reason::IgnoreFile { dir: at.dir.clone(), line };
            let verdict = below(path, &at.dir).and_then(|below| at.globs.verdict(below, is_dir, reason));
            if verdict.is_some() {
                return verdict;
            }
            level = at.above.as_deref();
        }
        let base = &self.base;
        let configured = base.globs.verdict(path.as_bytes(), is_dir, Reason::Glob);
        configured.or_else(|| base.default_list.verdict(path.as_bytes(), is_dir, Reason::DefaultList))
    }
}

impl Marked {
    fn excludes(&self, path: &RelPath) -> Option<Reason> {
        let inside = below(path, &self.dir)?;
        (inside != self.keep).then(|| self.reason.clone())
    }
}

fn below<'p>(path: &'p RelPath, dir: &RelPath) -> Option<&'p [u8]> {
    match dir.is_root() {
        true => (!path.is_root()).then_some(path.as_bytes()),
        false => path.as_bytes().strip_prefix(dir.as_bytes())?.strip_prefix(b"/"),
    }
}

/// Lines that are not UTF-8 cannot be patterns here; they are named and exclude nothing.
fn read_ignore_file(content: &[u8], file: &RelPath, faults: &mut Vec<IgnoreFault>) -> Globs {
    let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
    let mut lines = Vec::new();
    for line in content.split(|b| *b == b'\n') {
        match std::str::from_utf8(line) {
            Ok(text) => lines.push(text.strip_suffix('\r').unwrap_or(text)),
            Err(_) => {
                let pattern = String::from_utf8_lossy(line).into_owned();
                let error = PatternError { pattern, reason: "it is not UTF-8 text".to_owned() };
                faults.push(IgnoreFault { file: file.clone(), error });
            }
        }
    }
    let (globs, errors) = Globs::compile_lenient(lines.into_iter());
    faults.extend(errors.into_iter().map(|error| IgnoreFault { file: file.clone(), error }));
    globs
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Glob(line) => write!(f, "exclude.globs: {line}"),
            Self::Regex(pattern) => write!(f, "exclude.regex: {pattern}"),
            Self::IgnoreFile { dir, line } if dir.is_root() => write!(f, "ignore file of the root: {line}"),
            Self::IgnoreFile { dir, line } => write!(f, "ignore file in {dir:?}: {line}"),
            Self::DefaultList(line) => write!(f, "default list: {line}"),
            Self::LargerThan(limit) => write!(f, "larger than {limit}"),
            Self::CacheDir => f.write_str("in a directory marked by CACHEDIR.TAG"),
            Self::IfPresent(name) => write!(f, "in a directory that holds {name}"),
            Self::NoDump => f.write_str("it has the nodump flag"),
            Self::OtherFilesystem => f.write_str("on another filesystem"),
        }
    }
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
