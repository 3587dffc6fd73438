//! How many directories each part of a restore may hold open, so that all of them together stay below the limit of the process.

use super::batch::MAX_ITEMS;

/// Jobs that wait in the queue, for each worker.
pub(super) const QUEUED: usize = 2;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Shares {
    pub workers: usize,
    /// Directories that were made and whose content comes soon.
    pub walk: usize,
    /// Directories that the items of one batch lie in.
    pub batch: usize,
}

impl Shares {
    /// Half of the limit is for what waits and what is being done, an eighth for the walk; the rest for what a worker opens beside it,
    /// for the repository and for connections.
    pub fn of(limit: usize, workers: usize) -> Self {
        let workers = workers.min(limit / 32).max(1);
        // one each in the hands of the workers, one at the queue's door, one being gathered
        let jobs = workers * (QUEUED + 1) + 2;
        Self { workers, walk: (limit / 8).clamp(1, 128), batch: (limit / 2 / jobs).clamp(1, MAX_ITEMS / 4) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_open_at_once_is_within_every_limit() {
        for limit in [32, 64, 100, 256, 1024, 4096, 1 << 20] {
            for workers in [1, 3, 8, 9, 64] {
                let shares = Shares::of(limit, workers);
                let jobs = (shares.workers * (QUEUED + 1) + 2) * shares.batch;
                // a worker has its file, a directory and something of the repository open
                let held = shares.walk + jobs + 3 * shares.workers;
                assert!(held <= limit - limit / 5, "{limit}: {shares:?} hold {held}");
                assert!(shares.batch >= if limit < 256 { 1 } else { 2 }, "{limit}: {shares:?}");
            }
        }
        assert_eq!(Shares::of(20_000, 9), Shares { workers: 9, walk: 128, batch: 128 });
    }
}
