//! What can be wrong with a configuration, said so that a person can mend it.

use std::fmt;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("there is no configuration at {}", path.display())]
    Missing { path: PathBuf },
    #[error("cannot read the configuration {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the configuration {} is larger than {limit} bytes", path.display())]
    TooLarge { path: PathBuf, limit: u64 },
    #[error("the configuration {} is not UTF-8 text (first bad byte at offset {offset})", path.display())]
    NotText { path: PathBuf, offset: usize },
    #[error("{}, line {line}: {message}", path.display())]
    Syntax { path: PathBuf, line: usize, message: String },
    #[error("the configuration {} cannot be used:{}", path.display(), Listed(faults))]
    Invalid { path: PathBuf, faults: Vec<Fault> },
}

impl ConfigError {
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Missing { .. } => {
                "make one with `rozenctl init` or `rozenctl up DIR`, or name another with `--config FILE`"
            }
            Self::Read { .. } => "check that it is a file and that you may read it",
            Self::TooLarge { .. } | Self::NotText { .. } => {
                "check that this is the right file: it should be short TOML"
            }
            Self::Syntax { .. } => "mend the line; the file is TOML, see docs/config.md for an example",
            Self::Invalid { .. } => "mend the lines; docs/config.md lists every key with its default",
        }
    }
}

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: `{key}` {kind}")]
pub struct Fault {
    /// From 1.
    pub line: usize,
    /// With its table: `run.settle`, `root[2].path`.
    pub key: String,
    pub kind: FaultKind,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FaultKind {
    #[error("is not known{}", Suggestion(nearest, known))]
    UnknownKey { nearest: Option<&'static str>, known: Vec<&'static str> },
    #[error("must be {expected}, found {found}")]
    WrongType { expected: &'static str, found: String },
    #[error("cannot be used: {reason}")]
    BadValue { reason: String },
    #[error("is missing: give {expected}")]
    Missing { expected: &'static str },
    #[error("is not supported yet: {reason}")]
    NotYet { reason: &'static str },
}

struct Listed<'a>(&'a [Fault]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
    }
}

struct Suggestion<'a>(&'a Option<&'static str>, &'a [&'static str]);

impl fmt::Display for Suggestion<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(nearest) => write!(f, "; did you mean `{nearest}`?"),
            None => write!(f, "; known here: {}", self.1.join(", ")),
        }
    }
}
