//! What the watcher sees, as the status says it. The words of a doubt must not change while the doubt does not: the
//! engine compares them.

use crate::status::Coverage;
use crate::watch::{self, Gap, RootCoverage, Unwatched};

/// More reasons than a person reads.
const MAX_DOUBTS: usize = 10;

/// Of one root.
pub(super) fn of_root(all: &watch::Coverage, root: &RootCoverage) -> Coverage {
    let mut doubts: Vec<String> = Vec::new();
    if all.stopped {
        doubts.push("the watcher has stopped; start the agent again".to_owned());
    }
    for unwatched in &root.unwatched {
        let text = doubt(all, root, unwatched);
        if doubts.len() <= MAX_DOUBTS && !doubts.contains(&text) {
            doubts.push(text);
        }
    }
    if doubts.len() > MAX_DOUBTS {
        doubts[MAX_DOUBTS] = "and other folders".to_owned();
    }
    Coverage { watched: root.watched, total: root.total, doubts }
}

/// Of a root when there is no watcher at all.
pub(super) fn blind(reason: &str) -> Coverage {
    Coverage { watched: 0, total: 0, doubts: vec![format!("nothing is watched: {reason}")] }
}

fn doubt(all: &watch::Coverage, root: &RootCoverage, unwatched: &Unwatched) -> String {
    let dir = unwatched.dir.under(&root.path);
    let dir = dir.display();
    match &unwatched.gap {
        Gap::Limit => {
            format!("the kernel's limit of watches is reached; to raise it: {}", all.limit_remedy().unwrap_or_default())
        }
        Gap::Unreadable(error) => format!("{dir} cannot be watched: {error}"),
        Gap::NoEvents(kind) => format!("{dir} is of type {kind}, which does not tell of changes made elsewhere"),
        Gap::Aliased => format!("{dir} is mounted twice and watched under its other path"),
        Gap::Loop => format!("{dir} is mounted within itself"),
    }
}
