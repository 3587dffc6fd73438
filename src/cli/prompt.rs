//! Asking a person: for a secret, on the terminal or through a pipe, or for a yes.

use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::os::fd::AsFd;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use super::error::CliError;
use super::stop::AtOnce;
use crate::crypto::Passphrase;

/// A recovery file with all its comments is far shorter.
const MAX_PIPED: u64 = 64 << 10;
const CODE_CHARACTERS: usize = 70;
/// While nothing is typed, the wish to stop is looked at so often.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };

pub(super) fn is_possible() -> bool {
    io::stdin().is_terminal()
}

/// The recovery code, typed in one line or several; or a whole recovery file through a pipe.
pub(super) fn recovery_code(stop: &AtomicBool) -> Result<Zeroizing<String>, CliError> {
    let mut text = Zeroizing::new(String::new());
    if !is_possible() {
        let _at_once = AtOnce::start(stop)?;
        io::stdin().lock().take(MAX_PIPED).read_to_string(&mut text).map_err(CliError::Input)?;
        return Ok(text);
    }
    ask("Recovery code (14 groups of 5): ")?;
    loop {
        let before = text.len();
        line(&mut text, stop)?;
        let characters = text.chars().filter(char::is_ascii_alphanumeric).count();
        if characters >= CODE_CHARACTERS || text[before..].trim().is_empty() {
            return Ok(text);
        }
        ask(&format!("{characters} of {CODE_CHARACTERS} characters; the rest (nothing: that was all): "))?;
    }
}

/// Not shown while it is typed.
pub(super) fn passphrase(stop: &AtomicBool) -> Result<Passphrase, CliError> {
    ask("Passphrase of the recovery file: ")?;
    let mut text = Zeroizing::new(String::new());
    let _hidden = Hidden::start()?;
    line(&mut text, stop)?;
    Ok(Passphrase::new(&text)?)
}

/// Anything but a yes is a no.
pub(super) fn yes(question: &str, stop: &AtomicBool) -> Result<bool, CliError> {
    ask(question)?;
    let mut text = String::new();
    line(&mut text, stop)?;
    Ok(matches!(text.trim(), "y" | "Y" | "yes"))
}

/// Appends a line from the terminal. The first Ctrl-C ends the waiting: nothing is under way that could be finished.
fn line(text: &mut String, stop: &AtomicBool) -> Result<(), CliError> {
    let input = io::stdin();
    loop {
        if stop.load(Relaxed) {
            ask("\n")?;
            return Err(CliError::Interrupted);
        }
        // a terminal gives lines: once there is something, a whole one is there
        match poll(&mut [PollFd::new(&input, PollFlags::IN)], Some(&LOOK)) {
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => return input.lock().read_line(text).map(drop).map_err(CliError::Input),
            Err(errno) => return Err(CliError::Input(errno.into())),
        }
    }
}

fn ask(question: &str) -> Result<(), CliError> {
    let mut err = io::stderr().lock();
    write!(err, "{question}").and_then(|()| err.flush()).map_err(CliError::Output)
}

/// The terminal shows nothing until it is dropped.
struct Hidden(rustix::termios::Termios);

impl Hidden {
    fn start() -> Result<Self, CliError> {
        let failed = |errno: rustix::io::Errno| CliError::Input(errno.into());
        let before = tcgetattr(io::stdin().as_fd()).map_err(failed)?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin().as_fd(), OptionalActions::Now, &quiet).map_err(failed)?;
        Ok(Self(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // the terminal that took one setting takes the one before
        let _ = tcsetattr(io::stdin().as_fd(), OptionalActions::Now, &self.0);
        let _ = writeln!(io::stderr().lock());
    }
}
