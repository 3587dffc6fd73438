//! Filesystem freezes: the row comes before the freeze and goes after it, so none is ever forgotten.

use rusqlite::{Row, params};

use super::{Journal, JournalError, RunId};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FreezeState {
    /// About to be made: it may exist.
    Intent,
    /// It exists.
    Live,
    Released,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FreezeRow {
    pub name: String,
    pub run: RunId,
    pub root: String,
    pub state: FreezeState,
    /// What the freezer needs to find it again: its own matter.
    pub detail: String,
    pub created_ms: i64,
}

impl Journal {
    /// Before the freeze is made. `name` must be new. Outlives a power cut.
    pub fn freeze_intent(
        &self,
        run: RunId,
        root: &str,
        name: &str,
        detail: &str,
        now_ms: i64,
    ) -> Result<(), JournalError> {
        self.write_durably("store the intent to freeze", |tx| {
            tx.execute("DELETE FROM freezes WHERE state = 'released' AND run <> ?1", [run.0])?;
            tx.execute(
                "INSERT INTO freezes VALUES (?1, ?2, ?3, 'intent', ?4, ?5)",
                params![name, run.0, root, detail, now_ms],
            )?;
            Ok(())
        })
    }

    pub fn freeze_live(&self, name: &str) -> Result<(), JournalError> {
        self.set_freeze(name, FreezeState::Live)
    }

    /// After it is surely gone.
    pub fn freeze_released(&self, name: &str) -> Result<(), JournalError> {
        self.set_freeze(name, FreezeState::Released)
    }

    /// Freezes that exist or may exist, oldest first.
    pub fn unreleased_freezes(&self) -> Result<Vec<FreezeRow>, JournalError> {
        self.read("read freezes", |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT name, run, root, state, detail, created_ms FROM freezes WHERE state <> 'released'
                 ORDER BY created_ms, name",
            )?;
            Ok(statement.query_map([], FreezeRow::from_row)?.collect::<Result<_, _>>()?)
        })
    }

    fn set_freeze(&self, name: &str, state: FreezeState) -> Result<(), JournalError> {
        self.write("store the state of a freeze", |tx| {
            tx.execute("UPDATE freezes SET state = ?2 WHERE name = ?1", params![name, state.name()])?;
            Ok(())
        })
    }
}

impl FreezeState {
    fn name(self) -> &'static str {
        match self {
            FreezeState::Intent => "intent",
            FreezeState::Live => "live",
            FreezeState::Released => "released",
        }
    }
}

impl FreezeRow {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        let state: String = row.get(3)?;
        let state = [FreezeState::Intent, FreezeState::Live, FreezeState::Released]
            .into_iter()
            .find(|known| known.name() == state)
            .ok_or_else(|| rusqlite::Error::InvalidColumnType(3, state, rusqlite::types::Type::Text))?;
        Ok(Self {
            name: row.get(0)?,
            run: RunId(row.get(1)?),
            root: row.get(2)?,
            state,
            detail: row.get(4)?,
            created_ms: row.get(5)?,
        })
    }
}
