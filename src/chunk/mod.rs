//! Bytes → content-defined boundaries: keyed FastCDC.
//!
//! What must hold: the same bytes under the same key and limits give the same boundaries, in every version of the
//! program (docs/format.md, "Chunker"); a boundary depends on nothing before the last boundary.
//!
//! Why our own: the known crates cannot take a keyed gear table, and cut points may not move with an update of a
//! dependency. The table is secret because boundaries of known content would give it away otherwise.
//!
//! Not here: reading, hashing, keys (the table comes from room `crypto`).

mod fastcdc;

pub use fastcdc::{ChunkLimits, Chunker, EndSearch, GearTable};
