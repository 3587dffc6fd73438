//! Versions of the file: `user_version` counts the migrations that it went through.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::JournalError;

/// In order; the version of a file is how many of them it has.
const MIGRATIONS: &[&str] = &[
    include_str!("../../migrations/0001_journal.sql"),
    include_str!("../../migrations/0002_nodes_of_runs.sql"),
    include_str!("../../migrations/0003_uploads.sql"),
    include_str!("../../migrations/0004_billing.sql"),
    include_str!("../../migrations/0005_listed_roots.sql"),
    include_str!("../../migrations/0006_arena.sql"),
];

/// "Rozn": tells our file from any other SQLite file.
const APPLICATION_ID: i64 = 0x526f_7a6e;

/// Brings the file to the newest version, each step a transaction of its own.
pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), JournalError> {
    let known = MIGRATIONS.len() as i64;
    let found = checked_version(connection, path)?;
    if found > known {
        return Err(JournalError::Newer { path: path.to_path_buf(), found, known });
    }
    for (step, sql) in (0..known).zip(MIGRATIONS).filter(|(step, _)| *step >= found) {
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        tx.execute_batch(sql)?;
        tx.pragma_update(None, "application_id", APPLICATION_ID)?;
        tx.pragma_update(None, "user_version", step + 1)?;
        tx.commit()?;
    }
    Ok(())
}

/// 0 for an empty file.
fn checked_version(connection: &Connection, path: &Path) -> Result<i64, JournalError> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let (application, version) = (pragma("application_id")?, pragma("user_version")?);
    let is_ours = application == APPLICATION_ID && version > 0;
    let is_empty = application == 0 && version == 0 && tables == 0;
    if !is_ours && !is_empty {
        return Err(JournalError::Foreign { path: path.to_path_buf() });
    }
    Ok(version)
}
