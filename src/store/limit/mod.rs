//! Bytes go no faster than a limit allows, which may change at any time.
//!
//! What must hold: over any time no more bytes go than the limit allows and one piece, whatever the number of threads and
//! clones; pieces go in the order in which they came, so that none starves; a limit that changes counts within half a second,
//! also for what waits already and for a body that is on its way; without a limit nothing waits.
//!
//! The kinds of stores ask for each piece of a body, at most 256 KiB and less where the limit is low: a decorator would
//! see whole bodies only, and let them go in bursts at the speed of the line. What is tried again costs bytes again.
//!
//! It also carries the wish to stop, so that no limit holds up the end of the program, and none is broken for it either: from
//! then on nothing new is sent, a body of a bucket that waits for its turn is cut off, and what is being read or copied into a
//! directory at that moment ends without waiting.
//!
//! Not here: which limit holds when (room `config`, asked by a function).

mod bucket;
mod limiter;

#[cfg(test)]
mod tests;

pub(super) use limiter::Direction;
pub use limiter::Limiter;
