//! What is true of the machine as a whole: its repository, its last snapshot, small facts.

use rusqlite::{OptionalExtension, Transaction, params};

use super::{Journal, JournalError, listing, roots};
use crate::model::{ListedRoot, MachineId, ObjectHash, RepoId, Seq};

/// A fact: whose state this is.
const MACHINE: &str = "machine/id";

impl Journal {
    /// Binds a new state directory to its repository; an old one must belong to the same.
    pub fn bind_repository(&self, expected: RepoId) -> Result<(), JournalError> {
        self.write("bind the repository", |tx| {
            let found: Option<RepoId> = tx.query_row("SELECT repo FROM machine", [], |row| row.get(0))?;
            match found {
                Some(found) if found != expected => Err(JournalError::OtherRepository { expected, found }),
                Some(_) => Ok(()),
                None => {
                    tx.execute("UPDATE machine SET repo = ?1", [expected])?;
                    Ok(())
                }
            }
        })
    }

    /// Binds it to its machine as well: what another machine has stored and not stored is not known here.
    pub fn bind_machine(&self, expected: MachineId) -> Result<(), JournalError> {
        match self.machine()? {
            Some(found) if found != expected => Err(JournalError::OtherMachine { expected, found }),
            Some(_) => Ok(()),
            None => self.set_fact(MACHINE, &expected.0),
        }
    }

    /// The machine that this state directory belongs to; `None`: to none yet.
    pub fn machine(&self) -> Result<Option<MachineId>, JournalError> {
        Ok(self.fact(MACHINE)?.and_then(|bytes| bytes.try_into().ok()).map(MachineId))
    }

    /// The repository that this state directory belongs to; `None`: to none yet.
    pub fn repository(&self) -> Result<Option<RepoId>, JournalError> {
        self.read("read the repository", |connection| {
            Ok(connection.prepare_cached("SELECT repo FROM machine")?.query_row([], |row| row.get(0))?)
        })
    }

    /// Sequence number and manifest of the last committed snapshot of this machine.
    pub fn head(&self) -> Result<Option<(Seq, ObjectHash)>, JournalError> {
        self.read("read the last snapshot", |connection| {
            let (seq, hash): (Option<Seq>, Option<ObjectHash>) = connection
                .prepare_cached("SELECT head_seq, head_hash FROM machine")?
                .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(seq.zip(hash))
        })
    }

    /// Takes over the newest snapshot of the target and how it lists the roots, while the local state is rebuilt or brought
    /// up to it. What happened to the roots in between is not known: all are marked for audit.
    pub fn adopt_head(
        &self,
        seq: Seq,
        manifest: ObjectHash,
        listing: &[ListedRoot],
        now_ms: i64,
    ) -> Result<(), JournalError> {
        self.write("adopt the last snapshot", |tx| {
            listing::insert(tx, seq, listing)?;
            set_head(tx, seq, &manifest)?;
            // what was safe need not be in this one
            tx.execute_batch("UPDATE roots SET recovery_point_ms = NULL")?;
            roots::mark_all(tx, "the last snapshot is one that the journal did not know", now_ms)
        })
    }

    /// A small value that another room keeps here under a name of its own.
    pub fn fact(&self, name: &str) -> Result<Option<Vec<u8>>, JournalError> {
        self.read("read a fact", |connection| {
            let mut statement = connection.prepare_cached("SELECT value FROM facts WHERE name = ?1")?;
            Ok(statement.query_row([name], |row| row.get(0)).optional()?)
        })
    }

    pub fn set_fact(&self, name: &str, value: &[u8]) -> Result<(), JournalError> {
        self.write("store a fact", |tx| {
            tx.execute("INSERT OR REPLACE INTO facts VALUES (?1, ?2)", params![name, value])?;
            Ok(())
        })
    }
}

pub(super) fn set_head(tx: &Transaction<'_>, seq: Seq, manifest: &ObjectHash) -> Result<(), JournalError> {
    tx.execute("UPDATE machine SET head_seq = ?1, head_hash = ?2", params![seq, manifest])?;
    listing::keep_only(tx, seq)
}
