//! [`Journal`]: the handle that rooms share, and how every method reaches the connection.

use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::lock::StateLock;
use super::{JournalError, migrate};
use crate::fault;

/// A handle to the open journal. Cloning is cheap; transactions of all clones follow one another.
#[derive(Clone)]
pub struct Journal {
    inner: Arc<Inner>,
}

struct Inner {
    connection: Mutex<Connection>,
    path: PathBuf,
    // after the connection: another process may open the file only when this one has closed it
    _lock: StateLock,
}

/// Page cache of the connection; part of the memory budget.
const CACHE_KIB: i64 = 16 * 1024;
const STATEMENTS: usize = 96;

impl Journal {
    /// Opens `<state_dir>/journal.db`, made where it is missing (mode 0600: it holds plain names of files).
    pub fn open(state_dir: &Path) -> Result<Self, JournalError> {
        let path = state_dir.join("journal.db");
        let io_error = |source| JournalError::Io { path: path.clone(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(state_dir).map_err(io_error)?;
        let lock = StateLock::take(state_dir)?;
        create_private(&path).map_err(io_error)?;
        let connection = open_connection(&path).map_err(|error| error.during("open it", &path))?;
        Ok(Self { inner: Arc::new(Inner { connection: Mutex::new(connection), path, _lock: lock }) })
    }

    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// One statement or several that need no common state.
    pub(super) fn read<T>(
        &self,
        doing: &'static str,
        query: impl FnOnce(&Connection) -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        query(&self.connection()).map_err(|error| error.during(doing, &self.inner.path))
    }

    /// One transaction: all of it or nothing. It outlives the process on return; a power cut may take it back, together
    /// with all that came after it.
    pub(super) fn write<T>(
        &self,
        doing: &'static str,
        change: impl FnOnce(&Transaction<'_>) -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        let mut connection = self.connection();
        let done = transact(&mut connection, change);
        done.map_err(|error| error.during(doing, &self.inner.path))
    }

    /// As [`Journal::write`], but it and everything before it outlives a power cut on return.
    pub(super) fn write_durably<T>(
        &self,
        doing: &'static str,
        change: impl FnOnce(&Transaction<'_>) -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        let mut connection = self.connection();
        let durably = || {
            connection.pragma_update(None, "synchronous", "FULL")?;
            let done = transact(&mut connection, change);
            connection.pragma_update(None, "synchronous", "NORMAL")?;
            done
        };
        durably().map_err(|error: JournalError| error.during(doing, &self.inner.path))
    }

    /// A panic while the lock was held has rolled its transaction back: the connection is sound.
    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.inner.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn transact<T>(
    connection: &mut Connection,
    change: impl FnOnce(&Transaction<'_>) -> Result<T, JournalError>,
) -> Result<T, JournalError> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let value = change(&tx)?;
    fault::point("journal.before-commit");
    tx.commit()?;
    fault::point("journal.after-commit");
    Ok(value)
}

fn create_private(path: &Path) -> io::Result<()> {
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path).map(drop)
}

fn open_connection(path: &Path) -> Result<Connection, JournalError> {
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    // Nobody else may use the file: without shared memory a read costs no system call, and any filesystem will do.
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // Else SQLite prepares a statement anew whenever a value is bound that could change its plan: 18 times
    // the cost of a lookup.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // before WAL is switched on: a file that is not ours stays as it is
    migrate::migrate(&mut connection, path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    Ok(connection)
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Journal({})", self.inner.path.display())
    }
}
