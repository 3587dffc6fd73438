//! What the target bills for: packs by class and age, requests by day and run.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params, params_from_iter};

use super::{Journal, JournalError, PackKind, RunId};
use crate::model::StorageClass;

/// A pack that the target holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StoredPack {
    pub kind: PackKind,
    pub class: StorageClass,
    /// In bytes.
    pub size: u64,
    /// `None`: nobody wrote it down.
    pub stored_ms: Option<i64>,
}

/// Requests of one kind. The verb is a word of the room `store`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RequestCount {
    pub verb: String,
    pub class: StorageClass,
    pub count: u64,
}

/// What a run asked of the target.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RunRequests {
    pub started_ms: i64,
    /// `None`: it goes on.
    pub ended_ms: Option<i64>,
    pub requests: Vec<RequestCount>,
}

const DAY_MS: i64 = 24 * 3600 * 1000;
/// Days whose requests are kept.
const KEPT_DAYS: i64 = 400;

impl Journal {
    /// Packs that became durable since the last call are in the target since now.
    pub fn packs_stored_at(&self, now_ms: i64) -> Result<(), JournalError> {
        self.write("write down when packs were stored", |tx| {
            // the words `<> 'indexed'` let SQLite use the partial index
            let sql = "UPDATE packs SET stored_ms = ?1
                       WHERE state = 'durable' AND state <> 'indexed' AND stored_ms IS NULL";
            tx.prepare_cached(sql)?.execute([now_ms])?;
            Ok(())
        })
    }

    /// All packs of the target, in no order.
    pub fn each_stored_pack(&self, visit: &mut dyn FnMut(StoredPack)) -> Result<(), JournalError> {
        self.read("read what is stored", |connection| visit_packs(connection, "state <> 'spooled'", [], visit))
    }

    /// Those of which it is known that they were stored at `since_ms` or later.
    pub fn packs_stored_since(&self, since_ms: i64) -> Result<Vec<StoredPack>, JournalError> {
        self.read("read what was stored lately", |connection| {
            let mut packs = Vec::new();
            visit_packs(connection, "stored_ms >= ?1", [since_ms], &mut |pack| packs.push(pack))?;
            Ok(packs)
        })
    }

    /// How many index objects there are, and frames and members in them.
    pub fn index_counts(&self) -> Result<(u64, u64, u64), JournalError> {
        self.read("count what indexes hold", |connection| {
            let sql = "SELECT (SELECT count(*) FROM indexes), (SELECT count(*) FROM chunks),
                              (SELECT count(*) FROM members)";
            Ok(connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?)
        })
    }

    /// Adds to what is counted of the run and of the day.
    pub fn add_requests(&self, run: RunId, requests: &[RequestCount], now_ms: i64) -> Result<(), JournalError> {
        self.write("count requests", |tx| {
            let day = now_ms.div_euclid(DAY_MS);
            tx.prepare_cached("DELETE FROM requests WHERE day < ?1")?.execute([day - KEPT_DAYS])?;
            for request in requests {
                add(tx, "requests (day", day, request)?;
                add(tx, "run_requests (run", run.0, request)?;
            }
            Ok(())
        })
    }

    /// Of the day of `since_ms` and later, summed up.
    pub fn requests_since(&self, since_ms: i64) -> Result<Vec<RequestCount>, JournalError> {
        self.read("read counted requests", |connection| {
            let sql = "SELECT verb, class, sum(count) FROM requests WHERE day >= ?1 GROUP BY verb, class";
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map([since_ms.div_euclid(DAY_MS)], RequestCount::from_row)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// The oldest pack of which it is known since when it is there.
    pub fn first_stored_ms(&self) -> Result<Option<i64>, JournalError> {
        self.read("read when the first pack was stored", |connection| {
            let sql = "SELECT min(stored_ms) FROM packs WHERE stored_ms IS NOT NULL";
            Ok(connection.query_row(sql, [], |row| row.get(0))?)
        })
    }

    /// Of the last run that asked for anything.
    pub fn last_run_requests(&self) -> Result<Option<RunRequests>, JournalError> {
        self.read("read the requests of the last run", |connection| {
            let sql = "SELECT id, started_ms, ended_ms FROM runs WHERE id = (SELECT max(run) FROM run_requests)";
            let run = connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()?;
            let Some((id, started_ms, ended_ms)): Option<(i64, i64, Option<i64>)> = run else { return Ok(None) };
            let sql = "SELECT verb, class, count FROM run_requests WHERE run = ?1";
            let mut statement = connection.prepare_cached(sql)?;
            let requests = statement.query_map([id], RequestCount::from_row)?.collect::<Result<_, _>>()?;
            Ok(Some(RunRequests { started_ms, ended_ms, requests }))
        })
    }
}

/// `place`: table and its first column.
fn add(tx: &Transaction<'_>, place: &str, key: i64, request: &RequestCount) -> Result<(), JournalError> {
    let sql = format!(
        "INSERT INTO {place}, verb, class, count) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET count = count + excluded.count"
    );
    tx.prepare_cached(&sql)?.execute(params![key, request.verb, request.class, request.count])?;
    Ok(())
}

fn visit_packs<const N: usize>(
    connection: &Connection,
    which: &str,
    parameters: [i64; N],
    visit: &mut dyn FnMut(StoredPack),
) -> Result<(), JournalError> {
    let sql = format!("SELECT kind, class, size, stored_ms FROM packs WHERE {which}");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(parameters))?;
    while let Some(row) = rows.next()? {
        visit(StoredPack { kind: row.get(0)?, class: row.get(1)?, size: row.get(2)?, stored_ms: row.get(3)? });
    }
    Ok(())
}

impl RequestCount {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { verb: row.get(0)?, class: row.get(1)?, count: row.get(2)? })
    }
}

impl ToSql for StorageClass {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(self.as_str()))
    }
}

impl FromSql for StorageClass {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_str()?.parse().map_err(|error| FromSqlError::Other(Box::new(error)))
    }
}
