//! A target that does not give what it holds: is it one object, or all? Of one object, the files in it are problems; of all, the
//! restore ends, because every file would fail in its turn, each after long tries.
//!
//! What must hold: one object that cannot be read, whatever the reason, never ends a restore in which others can. So others are
//! asked for first.

use std::collections::HashSet;
use std::sync::Mutex;

use crate::repo::{Contents, RepoError, names};
use crate::store::{Disposition, ObjectName, StoreError};

/// So many other packs that are not given, and none that is, count as all.
const OTHERS: usize = 2;
/// Of the record of the repository, which is much smaller.
const RECORD_LIMIT: u64 = 1 << 20;

#[derive(Default)]
pub(super) struct Outage(Mutex<State>);

#[derive(Default)]
struct State {
    is_over: bool,
    /// Objects that were not given while others were.
    odd: HashSet<String>,
}

pub(super) enum Verdict {
    /// It is about this object.
    Object,
    /// It is about the target; this is what it said when it was asked for something else.
    Target(StoreError),
    /// Somebody has that verdict already.
    Over,
}

/// What the target did not give, though nothing says that it is gone or damaged.
pub(super) fn not_given(error: &RepoError) -> Option<&StoreError> {
    match error {
        RepoError::Store(error) if is_not_given(error) => Some(error),
        _ => None,
    }
}

fn is_not_given(error: &StoreError) -> bool {
    error.is_of_target() || matches!(error, StoreError::Io { .. }) && !error.is_of_object()
}

/// For a file of an object that was not given while others were.
pub(super) fn remedy(error: &StoreError) -> &'static str {
    match error.disposition() {
        Disposition::Denied => {
            "run the same command again with credentials, or as a user, that may read all of the repository: it goes on where it stopped"
        }
        _ => "run the same command again: it goes on where it stopped; if it stays, rozenctl check --read-data",
    }
}

impl Outage {
    /// Asks the target, once for each object. Others who come with an error meanwhile wait for the answer.
    pub fn judge(&self, contents: &Contents, error: &StoreError) -> Verdict {
        let mut state = self.0.lock().expect("nothing panics while it is held");
        let what = error.what().unwrap_or_default();
        if state.is_over {
            return Verdict::Over;
        }
        if state.odd.contains(what) {
            return Verdict::Object;
        }
        tracing::warn!(what, "the target does not give this; it is asked whether it gives anything");
        match ask(contents, what) {
            Some(error) => {
                state.is_over = true;
                Verdict::Target(error)
            }
            None => {
                state.odd.insert(what.to_owned());
                Verdict::Object
            }
        }
    }
}

/// `None`: the target gives something else.
fn ask(contents: &Contents, what: &str) -> Option<StoreError> {
    let store = contents.store();
    let refused = |name: &ObjectName| store.get_range(name, 0, 1).err().filter(is_not_given);
    if let Some(error) = store.get(&names::repository(), RECORD_LIMIT).err().filter(is_not_given) {
        return Some(error);
    }
    let mut last = None;
    match others(contents, what) {
        Ok(others) => {
            for name in others {
                last = Some(refused(&name)?);
            }
        }
        Err(RepoError::Store(error)) if is_not_given(&error) => return Some(error),
        Err(_) => return None,
    }
    // where there is no other pack, nothing can be had without this one
    last.or_else(|| ObjectName::parse(what).ok().and_then(|name| refused(&name)))
}

/// Packs of the same machine, for rights may be given by machine; those that read at once first.
fn others(contents: &Contents, what: &str) -> Result<Vec<ObjectName>, RepoError> {
    let listed = contents.listed_packs()?;
    let mut packs: Vec<_> = listed
        .iter()
        .map(|(key, pack)| (!pack.class.reads_at_once(), names::pack(&key.machine, key.is_tree, &key.hash)))
        .filter(|(_, name)| name.as_str() != what && machine(name.as_str()) == machine(what))
        .collect();
    packs.sort();
    Ok(packs.into_iter().map(|(_, name)| name).take(OTHERS).collect())
}

/// Of the name of one of its objects.
fn machine(name: &str) -> Option<&str> {
    name.split('/').nth(1)
}
