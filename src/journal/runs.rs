//! Runs: from the cut to the commit, one at a time.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::{Cut, Journal, JournalError, hints, nodes, roots};
use crate::model::{ObjectHash, Seq};

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RunId(pub i64);

/// A run that has just begun.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Run {
    pub id: RunId,
    pub cut: Cut,
}

/// How far a run came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RunState {
    /// Its hints are taken over; it has announced no manifest.
    Cut,
    /// It goes on after a partial snapshot.
    Scanning,
    /// Packs and index are durable; the manifest may or may not be in the target.
    Committing {
        seq: Seq,
        manifest: ObjectHash,
    },
    /// `seq` is the snapshot that it committed, if anything had changed.
    Done {
        seq: Option<Seq>,
    },
    Failed {
        message: String,
    },
}

/// A run with all that is known of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RunRow {
    pub id: RunId,
    pub cut: Cut,
    pub roots: Vec<String>,
    pub started_ms: i64,
    pub state: RunState,
}

/// Ended runs that are kept for people.
const KEPT_RUNS: i64 = 100;

impl Journal {
    /// Begins a run with a cut through the hints. Take the cut before any freeze: a hint up to the cut then describes a
    /// change that the frozen view already holds. Tree nodes that failed runs left are dropped.
    pub fn begin_run(&self, roots: &[&str], now_ms: i64) -> Result<Run, JournalError> {
        self.write("begin a run", |tx| {
            if let Some(unfinished) = unfinished(tx)? {
                return Err(JournalError::RunUnfinished { unfinished });
            }
            tx.execute(
                "DELETE FROM runs WHERE id <= (SELECT max(id) FROM runs) - ?1 AND ended_ms IS NOT NULL",
                [KEPT_RUNS],
            )?;
            nodes::drop_leftovers(tx)?;
            let cut = hints::cut(tx)?;
            tx.execute("INSERT INTO runs (cut, state, started_ms) VALUES (?1, 'cut', ?2)", params![cut.seq, now_ms])?;
            let id = tx.last_insert_rowid();
            for root in roots {
                let key = roots::key(tx, root)?;
                tx.execute("INSERT OR IGNORE INTO run_roots (run, root) VALUES (?1, ?2)", [id, key])?;
            }
            Ok(Run { id: RunId(id), cut })
        })
    }

    /// Ends a run without a result; its hints wait for the next one, what it staged is forgotten.
    pub fn fail_run(&self, run: RunId, message: &str, now_ms: i64) -> Result<(), JournalError> {
        self.write("end a failed run", |tx| {
            require_unfinished(tx, run, "fail")?;
            for table in ["staged", "staged_removals"] {
                let of_run = "root IN (SELECT root FROM run_roots WHERE run = ?1)";
                tx.execute(&format!("DELETE FROM {table} WHERE {of_run}"), [run.0])?;
            }
            tx.execute(
                "UPDATE runs SET state = 'failed', message = ?2, ended_ms = ?3 WHERE id = ?1",
                params![run.0, message, now_ms],
            )?;
            Ok(())
        })
    }

    /// What a crash left: at most one. `Committing` asks whether its manifest is in the target
    /// ([`Journal::adopt_commit`]), all others are failed.
    pub fn unfinished_run(&self) -> Result<Option<RunRow>, JournalError> {
        self.read("read runs", |connection| match unfinished(connection)? {
            Some(id) => row(connection, RunId(id)).map(Some),
            None => Ok(None),
        })
    }

    /// Did a run announce this manifest, whatever became of it? Runs of long ago are forgotten.
    pub fn was_announced(&self, manifest: &ObjectHash) -> Result<bool, JournalError> {
        self.read("look for an announced manifest", |connection| {
            Ok(connection.prepare_cached("SELECT 1 FROM runs WHERE manifest = ?1")?.exists([manifest])?)
        })
    }

    pub fn run(&self, run: RunId) -> Result<RunRow, JournalError> {
        self.read("read a run", |connection| row(connection, run))
    }
}

pub(super) fn row(connection: &Connection, run: RunId) -> Result<RunRow, JournalError> {
    let sql = "SELECT id, cut, started_ms, state, seq, manifest, message FROM runs WHERE id = ?1";
    let mut row = connection.prepare_cached(sql)?.query_row([run.0], RunRow::from_row)?;
    let mut roots = connection.prepare_cached(
        "SELECT id FROM roots JOIN run_roots ON roots.key = run_roots.root WHERE run = ?1 ORDER BY id",
    )?;
    row.roots = roots.query_map([run.0], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(row)
}

pub(super) fn set_state(tx: &Transaction<'_>, run: RunId, state: &RunState) -> Result<(), JournalError> {
    let (seq, manifest) = match state {
        RunState::Committing { seq, manifest } => (Some(seq), Some(manifest)),
        _ => (None, None),
    };
    let statement = "UPDATE runs SET state = ?2, seq = ?3, manifest = ?4 WHERE id = ?1";
    tx.execute(statement, params![run.0, state.name(), seq, manifest])?;
    Ok(())
}

/// Its cut, when the run may still do what is wanted.
pub(super) fn require_unfinished(
    tx: &Transaction<'_>,
    run: RunId,
    wanted: &'static str,
) -> Result<RunRow, JournalError> {
    let row = row(tx, run)?;
    match row.state {
        RunState::Done { .. } | RunState::Failed { .. } => {
            Err(JournalError::WrongRunState { run: run.0, wanted, found: row.state.name().to_owned() })
        }
        _ => Ok(row),
    }
}

fn unfinished(connection: &Connection) -> Result<Option<i64>, JournalError> {
    let sql = "SELECT id FROM runs WHERE ended_ms IS NULL ORDER BY id";
    Ok(connection.prepare_cached(sql)?.query_row([], |row| row.get(0)).optional()?)
}

impl RunState {
    pub(super) fn name(&self) -> &'static str {
        match self {
            RunState::Cut => "cut",
            RunState::Scanning => "scanning",
            RunState::Committing { .. } => "committing",
            RunState::Done { .. } => "done",
            RunState::Failed { .. } => "failed",
        }
    }

    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        let name: String = row.get(3)?;
        Ok(match name.as_str() {
            "cut" => RunState::Cut,
            // two that were told apart once
            "scanning" | "frozen" | "uploading" => RunState::Scanning,
            "committing" => RunState::Committing { seq: row.get(4)?, manifest: row.get(5)? },
            "done" => RunState::Done { seq: row.get(4)? },
            "failed" => RunState::Failed { message: row.get(6)? },
            _ => return Err(rusqlite::Error::InvalidColumnType(3, name, rusqlite::types::Type::Text)),
        })
    }
}

impl RunRow {
    /// The roots come from their own table.
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: RunId(row.get(0)?),
            cut: Cut { seq: row.get(1)? },
            roots: Vec::new(),
            started_ms: row.get(2)?,
            state: RunState::from_row(row)?,
        })
    }
}
