//! Ctrl-C and SIGTERM: the first asks for a clean end, the second ends at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;

use super::error::CliError;
use super::exit::Exit;
use crate::control::HangUp;

pub(super) fn on_signals() -> Result<Arc<AtomicBool>, CliError> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // the order matters: at the first signal the flag is not set yet
        flag::register_conditional_shutdown(signal, Exit::Interrupted as i32, stop.clone())
            .and_then(|_| flag::register(signal, stop.clone()))
            .map_err(CliError::Signals)?;
    }
    Ok(stop)
}

/// From now on the first signal ends the process at once, whatever it waits for: a limit, a server, who reads its output.
pub(super) fn at_once(stop: &AtomicBool) -> Result<(), CliError> {
    at_once_while(&Arc::new(AtomicBool::new(true)), stop)
}

/// While it lives the first signal ends the process at once: whoever writes into a pipe may never come.
pub(super) struct AtOnce(Arc<AtomicBool>);

impl AtOnce {
    pub(super) fn start(stop: &AtomicBool) -> Result<Self, CliError> {
        let waits = Self(Arc::new(AtomicBool::new(true)));
        at_once_while(&waits.0, stop)?;
        Ok(waits)
    }
}

impl Drop for AtOnce {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

fn at_once_while(waits: &Arc<AtomicBool>, stop: &AtomicBool) -> Result<(), CliError> {
    for signal in [SIGINT, SIGTERM] {
        flag::register_conditional_shutdown(signal, Exit::Interrupted as i32, waits.clone())
            .map_err(CliError::Signals)?;
    }
    // one that came before
    if stop.load(Ordering::SeqCst) { Err(CliError::Interrupted) } else { Ok(()) }
}

/// A client waits in the kernel and looks at no flag.
pub(super) fn hang_up_on_signals(hang_up: HangUp, stop: &AtomicBool) -> Result<(), CliError> {
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(CliError::Signals)?;
    if stop.load(Ordering::SeqCst) {
        // it came before this one listened
        hang_up.hang_up();
        return Ok(());
    }
    let wait = move || {
        if signals.forever().next().is_some() {
            hang_up.hang_up();
        }
    };
    let thread = std::thread::Builder::new().name("signals".into()).spawn(wait);
    thread.map(drop).map_err(CliError::Signals)
}
