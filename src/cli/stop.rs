//! Ctrl-C and SIGTERM: the first asks for a clean end, the second ends at once.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use super::error::CliError;
use super::exit::Exit;

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
    for signal in [SIGINT, SIGTERM] {
        flag::register_conditional_shutdown(signal, Exit::Interrupted as i32, Arc::new(AtomicBool::new(true)))
            .map_err(CliError::Signals)?;
    }
    // one that came before
    if stop.load(Relaxed) { Err(CliError::Interrupted) } else { Ok(()) }
}
