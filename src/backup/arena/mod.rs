//! The arena: small packs that are meant for an archive class wait in one that reads at once. When enough have gathered, their
//! frames are copied, from local copies, into one pack of the archive class.
//!
//! What must hold: a small pack is stored like every other, and needs neither its copy nor a merge to be restored. Only frames are
//! copied that lie in bytes of the pack's hash and whose heads say what the journal says of them; they are not opened, the
//! machine cannot. Nothing is deleted in the target: what was merged is *superseded*, for a prune to remove. A merge that
//! fails costs no snapshot.
//!
//! What is durable when, and what a crash leaves behind each step:
//!
//! 1. The pack is spooled and in the journal: as any pack.
//! 2. The copy is linked into the arena: one that no row names is removed; the pack stays where it is.
//! 3. Its row says for which class it waits. A copy that is lost or damaged is found out when it is read; the row goes.
//! 4. The merged pack is spooled: one that no row names is removed, the merge is done again.
//! 5. Its rows, and that the small ones wait no longer: one transaction. From here it is uploaded and indexed as any pack,
//!    by whichever process; should its file be lost before, its rows go and the small ones wait again.
//! 6. It is indexed: what it was made of is marked superseded and leaves the arena, one transaction, at the next start at the latest.
//! 7. Copies that no row names are removed, at the next start at the latest.
//!
//! Not here: the directory of copies (room `pack`), rows (room `journal`), which packs are small (`placement`).

mod copy;
mod keep;
mod merge;
mod plan;

pub(super) use keep::{keep, settle};
pub use merge::MergedPacks;
pub(super) use merge::{merge_due, not_merged};
