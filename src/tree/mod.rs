//! The tree of a root: a search tree over the sorted map (directory, name) → entry, split at keys by their hash
//! (a *prolly tree*).
//!
//! What must hold: the tree is a function of the map alone, whatever edits led to it (tested against rebuilding);
//! `k` edits read and write O(k · log n) nodes; a subtree that no edit touches is taken over by its id, unread.
//! Nodes are deterministic CBOR, bounded in entries and bytes.
//!
//! Not here: where nodes are kept (trait [`NodeSource`]; the local copy is in room `journal`, the stored one in
//! room `repo`), encryption.

mod builder;
mod edit;
mod key;
mod node;
mod reader;
mod salvage;

pub use builder::{NodeSink, TreeSummary};
pub use edit::{Applied, ApplyError, Edit, RangeDelete, apply, rewrite};
pub use key::TreeKey;
pub use node::{ChildRef, Node, NodeError};
pub use reader::{NodeSource, TreeError, TreeReader};
pub use salvage::{Lost, Seen};
