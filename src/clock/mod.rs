//! Time as a seam: every other room gets its time from here, so that tests decide what time it is.
//!
//! Two clocks with different promises. *Wall* time ([`crate::model::Timestamp`]) may jump in both directions: it is for
//! people and for comparison with times of files. *Monotonic* time only grows, also while the machine sleeps: it is
//! for delays. Neither survives the process; what must survive is stored as wall time.
//!
//! [`Zone`] tells the time of day where the machine stands, for settings that follow it.
//!
//! Not here: timers of the control socket and of connections (tokio), printing.

mod handle;
mod manual;
mod system;
mod zone;

pub use handle::{Clock, Monotonic};
pub use manual::ManualClock;
pub use zone::{MinuteOfDay, Zone};
