//! Counting hits and dying at the right one.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{POINTS, POINTS_OF_ARENA, POINTS_OF_PARTS};

/// Marks a fault point; `name` must stand in one of the lists.
///
/// # Panics
/// When `ROZEN_CRASH_AT` is set to something that is no fault point.
pub fn point(name: &'static str) {
    debug_assert!(is_known(name), "fault point {name:?} is missing in fault/table.rs");
    static PLAN: OnceLock<Option<Plan>> = OnceLock::new();
    if let Some(plan) = PLAN.get_or_init(Plan::from_environment)
        && plan.is_hit_by(name)
    {
        std::process::abort();
    }
}

struct Plan {
    name: String,
    hits_left: AtomicU64,
}

impl Plan {
    fn from_environment() -> Option<Plan> {
        let text = std::env::var("ROZEN_CRASH_AT").ok()?;
        match Self::parse(&text) {
            Some(plan) => Some(plan),
            None => panic!("ROZEN_CRASH_AT={text:?} is not \"name:n\" with a name of fault/table.rs and n from 1"),
        }
    }

    fn parse(text: &str) -> Option<Plan> {
        let (name, count) = text.rsplit_once(':')?;
        let hits: u64 = count.parse().ok()?;
        (is_known(name) && hits > 0).then(|| Plan { name: name.to_owned(), hits_left: AtomicU64::new(hits) })
    }

    /// True for exactly one hit: the counter wraps far beyond what a process can live through.
    fn is_hit_by(&self, name: &str) -> bool {
        self.name == name && self.hits_left.fetch_sub(1, Ordering::Relaxed) == 1
    }
}

fn all_names() -> impl Iterator<Item = &'static str> {
    POINTS.iter().chain(POINTS_OF_PARTS).chain(POINTS_OF_ARENA).map(|(name, _)| *name)
}

fn is_known(name: &str) -> bool {
    all_names().any(|known| known == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_strikes_at_the_nth_hit_of_its_own_point_only() {
        let plan = Plan::parse("store.linked:3").unwrap();
        let hits = ["store.linked", "store.placed", "store.linked", "store.linked", "store.linked"];
        assert_eq!(hits.map(|name| plan.is_hit_by(name)), [false, false, false, true, false]);
    }

    #[test]
    fn what_names_no_point_is_no_plan() {
        for bad in ["", "store.linked", "store.linked:0", "store.linked:x", "no.such.point:1"] {
            assert!(Plan::parse(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn every_name_stands_once_in_the_tables() {
        for (at, name) in all_names().enumerate() {
            assert!(all_names().take(at).all(|earlier| earlier != name), "{name}");
        }
    }
}
