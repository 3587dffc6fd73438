//! What reaches the owner of the engine.

use crate::control::Ask;
use crate::engine::Event;

#[derive(Debug)]
pub(super) enum Message {
    Event(Event),
    Ask(Ask),
    /// Something about what is watched has changed: look at once.
    LookAtCoverage,
}
