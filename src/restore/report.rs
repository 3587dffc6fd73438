//! What a restore did.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::model::Problem;

/// So many problems are listed; all are counted.
const MAX_LISTED: usize = 10_000;

#[derive(Clone, PartialEq, Eq, Debug, Default, serde::Serialize)]
pub struct RestoreReport {
    /// Regular files that were written.
    pub files: u64,
    /// Sum of their sizes.
    pub bytes: u64,
    pub dirs: u64,
    /// Symbolic links, FIFOs, sockets, devices that were made.
    pub others: u64,
    /// Further names that were given to files.
    pub hard_links: u64,
    /// Were there already as the snapshot has them (by type, size and modification time).
    pub skipped: u64,
    /// Were there already, are not as the snapshot has them, and were not to be overwritten.
    pub kept: u64,
    /// Their content is archived and not thawed yet.
    pub archived: u64,
    pub problem_count: u64,
    /// The first of them.
    pub problems: Vec<Problem>,
}

impl RestoreReport {
    /// Is everything that was wanted as the snapshot has it, but for files that were to be kept?
    pub fn is_clean(&self) -> bool {
        self.problem_count == 0
    }
}

/// What is counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Count {
    File { bytes: u64 },
    Dir,
    Other,
    HardLink,
    Skipped,
    Kept,
    Archived,
}

/// The report while workers add to it.
#[derive(Debug, Default)]
pub(super) struct Collector {
    counts: [AtomicU64; 8],
    problem_count: AtomicU64,
    problems: Mutex<Vec<Problem>>,
}

impl Collector {
    pub fn count(&self, count: Count) {
        let at = match count {
            Count::File { bytes } => {
                self.counts[7].fetch_add(bytes, Relaxed);
                0
            }
            Count::Dir => 1,
            Count::Other => 2,
            Count::HardLink => 3,
            Count::Skipped => 4,
            Count::Kept => 5,
            Count::Archived => 6,
        };
        self.counts[at].fetch_add(1, Relaxed);
    }

    pub fn problem(&self, problem: Problem) {
        self.problem_count.fetch_add(1, Relaxed);
        let mut problems = self.problems.lock().expect("nothing panics while it is held");
        if problems.len() < MAX_LISTED {
            problems.push(problem);
        }
    }

    pub fn finish(self) -> RestoreReport {
        let [files, dirs, others, hard_links, skipped, kept, archived, bytes] = self.counts.map(AtomicU64::into_inner);
        let mut problems = self.problems.into_inner().expect("nothing panics while it is held");
        problems.sort_by(|a, b| a.path.cmp(&b.path));
        let problem_count = self.problem_count.into_inner();
        RestoreReport { files, bytes, dirs, others, hard_links, skipped, kept, archived, problem_count, problems }
    }
}
