//! When a slice is to end.

use std::time::Duration;

use crate::clock::{Clock, Monotonic};

#[derive(Clone)]
pub(super) struct Deadline {
    clock: Clock,
    end: Monotonic,
}

impl Deadline {
    pub fn after(clock: &Clock, time: Duration) -> Self {
        Self { clock: clock.clone(), end: clock.monotonic() + time }
    }

    pub fn is_over(&self) -> bool {
        self.clock.monotonic() >= self.end
    }
}
