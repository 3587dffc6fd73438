//! Exit codes: an interface for scripts, documented in docs/cli.md. Numbers are never used again for something else.

use std::process::ExitCode;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Exit {
    Done = 0,
    Failed = 1,
    Usage = 2,
    /// Done, but some files could not be read, stored or restored as they should.
    Problems = 3,
    NotRunning = 4,
    NotPermitted = 5,
    NoRepository = 10,
    /// Another process uses the state directory or the socket, or restores to the same place.
    InUse = 11,
    /// The secret is missing, wrong or of another repository.
    WrongKey = 12,
    Interrupted = 130,
}

impl Exit {
    /// `Problems` when there were any.
    pub(super) fn done(any_problems: bool) -> Self {
        if any_problems { Self::Problems } else { Self::Done }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}
