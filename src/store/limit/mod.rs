//! Decorator: bytes go no faster than a limit allows, which may change at any time.
//!
//! What must hold: over any time longer than a few transfers, no more bytes go than the limit allows, whatever the number
//! of threads and clones; a limit that changes counts within half a second, also for what waits already; without a limit
//! nothing waits. The piece is what the target takes at once: an object, or a part of one. It goes at the speed of the line,
//! and the next one waits until it is paid for.
//!
//! Not here: which limit holds when (room `config`, asked by a function).

mod bucket;
mod limiter;
mod store;

pub use limiter::Limiter;
pub(super) use store::LimitedStore;
