//! Hints: which directories may have changed, until a run has covered them.
//!
//! Epochs make the cut exact. Hints go into the current epoch; a cut ends it. What is touched after the cut gets a row
//! of its own in the next epoch, so ending the run can delete everything up to the cut without looking at times.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::sql::below;
use super::{Journal, JournalError, roots};
use crate::model::RelPath;

/// A hint to be stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HintRow {
    pub dir: RelPath,
    /// Everything below may have changed too.
    pub recursive: bool,
    /// Names in `dir` that were seen to change, as a help; empty means any.
    pub names: Vec<Vec<u8>>,
    pub reason: String,
    pub now_ms: i64,
}

/// A hint that waits for a run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hint {
    pub dir: RelPath,
    pub recursive: bool,
    /// Sorted; empty means any.
    pub names: Vec<Vec<u8>>,
    pub reason: String,
    /// When the oldest of the merged hints was stored.
    pub first_ms: i64,
}

/// Where a run took over: it covers all hints of its roots up to here.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Cut {
    pub seq: u64,
}

/// How much waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Pending {
    pub count: u64,
    pub oldest_first_ms: Option<i64>,
}

/// More names than this are no help any more.
const MAX_NAMES: usize = 256;

impl Journal {
    /// Stores hints, merged with those of the same directory since the last cut. Gives how many directories wait now that did not
    /// before.
    pub fn add_hints(&self, root: &str, hints: &[HintRow]) -> Result<u64, JournalError> {
        self.write("store hints", |tx| {
            let place = Place::now(tx, root)?;
            hints.iter().try_fold(0, |new, hint| Ok(new + u64::from(place.add(tx, hint.clone().into())?)))
        })
    }

    /// What the run with this cut has to look at, in byte order of the directories.
    pub fn hints_upto(&self, root: &str, cut: Cut) -> Result<Vec<Hint>, JournalError> {
        self.read("read hints", |connection| {
            let key = roots::key(connection, root)?;
            let mut statement = connection.prepare_cached(
                "SELECT dir, recursive, names, reason, first_ms FROM hints WHERE root = ?1 AND epoch <= ?2 ORDER BY dir",
            )?;
            let rows = statement.query_map(params![key, cut.seq], Hint::from_row)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Directories, each once, also where it changed again after a cut.
    pub fn pending(&self, root: &str) -> Result<Pending, JournalError> {
        self.read("count hints", |connection| {
            let key = roots::key(connection, root)?;
            let mut statement =
                connection.prepare_cached("SELECT count(DISTINCT dir), min(first_ms) FROM hints WHERE root = ?1")?;
            let count = |row: &Row<'_>| Ok(Pending { count: row.get(0)?, oldest_first_ms: row.get(1)? });
            Ok(statement.query_row([key], count)?)
        })
    }
}

/// Ends the current epoch. Rows that failed runs left in several epochs become one, in the epoch that ends now.
pub(super) fn cut(tx: &Transaction<'_>) -> Result<Cut, JournalError> {
    let seq = tx.query_row("UPDATE machine SET epoch = epoch + 1 RETURNING epoch - 1", [], |row| row.get(0))?;
    fold(tx, seq)?;
    Ok(Cut { seq })
}

/// All hints of a root that the run has covered.
pub(super) fn forget(tx: &Transaction<'_>, root: i64, cut: Cut) -> Result<(), JournalError> {
    tx.prepare_cached("DELETE FROM hints WHERE root = ?1 AND epoch <= ?2")?.execute(params![root, cut.seq])?;
    Ok(())
}

/// Everything is compared by the next run, unless the one with this cut covers the root.
pub(super) fn doubt_all(tx: &Transaction<'_>, root: i64, cut: Cut, now_ms: i64) -> Result<(), JournalError> {
    let reason = "a run ended on the way".to_owned();
    let everything = HintRow { dir: RelPath::root(), recursive: true, names: vec![], reason, now_ms };
    Place { root, epoch: cut.seq }.add(tx, everything.into()).map(drop)
}

pub(super) fn current_epoch(connection: &Connection) -> Result<u64, JournalError> {
    Ok(connection.prepare_cached("SELECT epoch FROM machine")?.query_row([], |row| row.get(0))?)
}

fn fold(tx: &Transaction<'_>, epoch: u64) -> Result<(), JournalError> {
    let mut doubled = tx.prepare_cached("SELECT root, dir FROM hints GROUP BY root, dir HAVING count(*) > 1")?;
    let keys = doubled.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, RelPath>(1)?)))?;
    for key in keys.collect::<Result<Vec<_>, _>>()? {
        let (root, dir) = key;
        let mut rows = tx.prepare_cached(
            "DELETE FROM hints WHERE root = ?1 AND dir = ?2 RETURNING dir, recursive, names, reason, first_ms",
        )?;
        let rows = rows.query_map(params![root, dir], Hint::from_row)?.collect::<Result<Vec<_>, _>>()?;
        if let Some(merged) = rows.into_iter().reduce(Hint::merged) {
            Place { root, epoch }.put(tx, &merged)?;
        }
    }
    Ok(())
}

/// The root and the epoch that a hint belongs to.
pub(super) struct Place {
    root: i64,
    epoch: u64,
}

impl Place {
    pub(super) fn now(tx: &Transaction<'_>, root: &str) -> Result<Self, JournalError> {
        Ok(Self { root: roots::key(tx, root)?, epoch: current_epoch(tx)? })
    }

    /// Within one epoch a recursive hint stands for all hints below it: they will be covered by the same run. Was it a directory that
    /// did not wait before?
    pub(super) fn add(&self, tx: &Transaction<'_>, mut hint: Hint) -> Result<bool, JournalError> {
        if self.is_covered(tx, &hint)? {
            return Ok(false);
        }
        if hint.recursive {
            hint.first_ms = self.absorb_below(tx, &hint.dir)?.map_or(hint.first_ms, |oldest| oldest.min(hint.first_ms));
        }
        let present = self.present(tx, &hint.dir)?;
        let is_new = present.is_none();
        let merged = match present {
            Some(present) => present.merged(hint),
            None => hint,
        };
        self.put(tx, &merged)?;
        Ok(is_new)
    }

    /// Only by an ancestor that is not younger: the oldest time of all must stay true.
    fn is_covered(&self, tx: &Transaction<'_>, hint: &Hint) -> Result<bool, JournalError> {
        let mut statement = tx.prepare_cached(
            "SELECT 1 FROM hints WHERE root = ?1 AND dir = ?2 AND epoch = ?3 AND recursive AND first_ms <= ?4",
        )?;
        let mut ancestor = hint.dir.parent();
        while let Some(dir) = ancestor {
            if statement.exists(params![self.root, dir, self.epoch, hint.first_ms])? {
                return Ok(true);
            }
            ancestor = dir.parent();
        }
        Ok(false)
    }

    /// Deletes what stands below `dir` in this epoch; returns the oldest time among it.
    fn absorb_below(&self, tx: &Transaction<'_>, dir: &RelPath) -> Result<Option<i64>, JournalError> {
        let Self { root, epoch } = self;
        let ages = match below(dir) {
            None => tx
                .prepare_cached("DELETE FROM hints WHERE root = ?1 AND epoch = ?2 AND dir > x'' RETURNING first_ms")?
                .query_map(params![root, epoch], |row| row.get(0))?
                .collect::<Result<Vec<i64>, _>>()?,
            Some((from, to)) => tx
                .prepare_cached(
                    "DELETE FROM hints WHERE root = ?1 AND epoch = ?2 AND dir > ?3 AND dir < ?4 RETURNING first_ms",
                )?
                .query_map(params![root, epoch, from, to], |row| row.get(0))?
                .collect::<Result<_, _>>()?,
        };
        Ok(ages.into_iter().min())
    }

    fn present(&self, tx: &Transaction<'_>, dir: &RelPath) -> Result<Option<Hint>, JournalError> {
        let mut statement = tx.prepare_cached(
            "SELECT dir, recursive, names, reason, first_ms FROM hints WHERE root = ?1 AND dir = ?2 AND epoch = ?3",
        )?;
        Ok(statement.query_row(params![self.root, dir, self.epoch], Hint::from_row).optional()?)
    }

    fn put(&self, tx: &Transaction<'_>, hint: &Hint) -> Result<(), JournalError> {
        let Self { root, epoch } = self;
        let Hint { dir, recursive, names, reason, first_ms } = hint;
        let names = names.join(&0);
        tx.prepare_cached("INSERT OR REPLACE INTO hints VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
            .execute(params![root, dir, epoch, recursive, names, reason, first_ms])?;
        Ok(())
    }
}

impl Hint {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        let names: Vec<u8> = row.get(2)?;
        Ok(Self {
            dir: row.get(0)?,
            recursive: row.get(1)?,
            names: names.split(|b| *b == 0).filter(|name| !name.is_empty()).map(<[u8]>::to_vec).collect(),
            reason: row.get(3)?,
            first_ms: row.get(4)?,
        })
    }

    /// The wider of both in every respect; the reason is that of the older one.
    fn merged(self, other: Hint) -> Hint {
        let (older, younger) = if self.first_ms <= other.first_ms { (self, other) } else { (other, self) };
        Hint {
            recursive: older.recursive || younger.recursive,
            names: merged_names(older.names, younger.names),
            ..older
        }
    }
}

impl From<HintRow> for Hint {
    fn from(row: HintRow) -> Self {
        let HintRow { dir, recursive, names, reason, now_ms } = row;
        // merging with itself sorts the names and applies the limit
        Hint { dir, recursive, names: merged_names(names.clone(), names), reason, first_ms: now_ms }
    }
}

fn merged_names(mut names: Vec<Vec<u8>>, more: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    if names.is_empty() || more.is_empty() {
        return Vec::new();
    }
    names.extend(more);
    names.sort_unstable();
    names.dedup();
    // what cannot be kept apart by NUL could only be misread
    let is_odd = |name: &Vec<u8>| !RelPath::is_name(name);
    if names.len() > MAX_NAMES || names.iter().any(is_odd) { Vec::new() } else { names }
}
