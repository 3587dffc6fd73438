//! Copies come and go.

use super::super::agent::Backup;
use super::super::error::RunError;
use crate::journal::PackRow;
use crate::model::StorageClass;

/// Keeps a copy of a spooled pack until it is merged into one of `class`. Where that cannot be, or the copies of this class
/// already fill a pack of an archive, the pack simply stays where it reads at once. The last one may pass that size: a merge
/// takes what fits, and so it becomes due whatever the rule says.
pub(in crate::backup) fn keep(backup: &Backup, pack: &PackRow, class: StorageClass) -> Result<(), RunError> {
    let fits = backup.journal.arena_bytes(class)? < backup.options.archive_pack_bytes;
    if backup.options.merge.is_none() || !fits {
        return Ok(());
    }
    match backup.arena.keep(&backup.spool, &pack.hash) {
        Ok(()) => {
            crate::fault::point("arena.linked");
            Ok(backup.journal.arena_add(&pack.hash, class, backup.clock.wall_ms())?)
        }
        Err(error) => {
            tracing::warn!(%error, pack = %pack.hash, "a small pack is not kept for merging");
            Ok(())
        }
    }
}

/// Ends what a merge left: packs that are superseded are marked so, copies that nobody wants are removed.
pub(in crate::backup) fn settle(backup: &Backup) -> Result<(), RunError> {
    if backup.journal.arena_settle()? > 0 {
        crate::fault::point("arena.settled");
    }
    let mut wanted = backup.journal.arena_packs()?;
    if backup.options.merge.is_none() {
        wanted.drain().try_for_each(|pack| backup.journal.arena_forget(&pack))?;
    }
    backup.arena.keep_only(|hash| wanted.contains(hash))?;
    Ok(())
}
