//! What is left out of a backup: a pure decision on logical paths and a few facts that the caller brings.
//!
//! What must hold: the same path under the same rules is always decided the same; matching is on the path below
//! the root as the person sees it (not in a frozen view) and on bytes; what cannot be understood excludes nothing;
//! the root itself is never excluded. An exclude stops new reading and nothing else: what older snapshots hold
//! stays in them ("excluded later does not mean deleted", docs/config.md).
//!
//! The caller walks from the root down: [`Rules::excludes`] for every entry, [`Rules::enter`] for every directory
//! that it goes into. [`Reason`] also names the facts that only the caller can see (another filesystem, the
//! nodump flag), so that everything left out has a reason of one type.
//!
//! Not here: opening ignore files or CACHEDIR.TAG, the agent's own state directory (known by device and inode).

mod patterns;
mod rules;
mod settings;

pub use patterns::{PatternError, check_pattern};
pub use rules::{CACHEDIR_SIGNATURE, CACHEDIR_TAG, IgnoreFault, Reason, Rules};
pub use settings::{ExcludeConfig, ExcludeLayer};
