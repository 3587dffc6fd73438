//! What the whole-program tests share: a machine with the real programs, trees, and how two of them are compared.
//!
//! `ROZEN_FULL=1` runs the tests at their full size (minutes to an hour instead of seconds).

// each test file uses its own part of it
#![allow(dead_code)]

pub mod agent;
pub mod changes;
pub mod facts;
pub mod hostile;
pub mod machine;
pub mod mixed;
pub mod noise;
pub mod rsync;

#[allow(unused_imports, reason = "each test file uses its own part")]
pub use agent::Agent;
#[allow(unused_imports, reason = "each test file uses its own part")]
pub use changes::Changes;
#[allow(unused_imports, reason = "each test file uses its own part")]
pub use facts::{assert_same, read_facts};
#[allow(unused_imports, reason = "each test file uses its own part")]
pub use machine::Machine;
#[allow(unused_imports, reason = "each test file uses its own part")]
pub use noise::Noise;

/// The quick size, or the full one where the environment asks for it.
pub fn scaled(quick: u64, full: u64) -> u64 {
    if is_full() { full } else { quick }
}

pub fn is_full() -> bool {
    std::env::var_os("ROZEN_FULL").is_some_and(|value| !value.is_empty() && value != "0")
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Whether a program can be started, for tests that need one that is not part of every system.
pub fn has_program(name: &str) -> bool {
    let quiet = std::process::Stdio::null;
    let started = std::process::Command::new(name).arg("--version").stdout(quiet()).stderr(quiet()).status();
    started.is_ok()
}

/// Says so, and ends the test.
#[macro_export]
macro_rules! skip {
    ($($why:tt)*) => {{
        eprintln!("skipped: {}", format!($($why)*));
        return;
    }};
}
