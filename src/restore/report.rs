//! What a restore did.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::model::{Problem, ProblemCode};

/// So many problems of a code are listed, so that many of one hide none of another; all are counted.
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
    /// The first of each code; what concerns content before what concerns metadata, each in the order of the paths.
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
    problems: Mutex<BTreeMap<ProblemCode, Vec<Problem>>>,
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
        let of_code = problems.entry(problem.code).or_default();
        if of_code.len() < MAX_LISTED {
            of_code.push(problem);
        }
    }

    pub fn finish(self) -> RestoreReport {
        let [files, dirs, others, hard_links, skipped, kept, archived, bytes] = self.counts.map(AtomicU64::into_inner);
        let problems = self.problems.into_inner().expect("nothing panics while it is held");
        let mut problems: Vec<Problem> = problems.into_values().flatten().collect();
        problems.sort_by(|a, b| (a.is_metadata(), &a.path).cmp(&(b.is_metadata(), &b.path)));
        let problem_count = self.problem_count.into_inner();
        RestoreReport { files, bytes, dirs, others, hard_links, skipped, kept, archived, problem_count, problems }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_many_owners_cannot_be_set_what_is_lost_stands_first() {
        let collector = Collector::default();
        let problem = |code, path: &str| collector.problem(Problem::new(code, path.as_bytes(), "what", "remedy"));
        (0..2 * MAX_LISTED).for_each(|n| problem(ProblemCode::Metadata, &format!("a{n:05}")));
        problem(ProblemCode::Unreadable, "z");
        problem(ProblemCode::Damaged, "y");
        let report = collector.finish();
        assert_eq!((report.problem_count, report.problems.len()), (2 * MAX_LISTED as u64 + 2, MAX_LISTED + 2));
        let first: Vec<_> = report.problems.iter().take(3).map(|problem| problem.path.as_str()).collect();
        assert_eq!(first, ["y", "z", "a00000"]);
    }
}
