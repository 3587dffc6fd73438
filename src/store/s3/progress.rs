//! Whether a body that goes up still moves. A connection whose network went away stays open for a quarter of an hour; what
//! matters is not how long a request takes, but how long nothing happens.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Pieces of bodies that the connection has taken, or that wait for their turn (`pace`). Clones share it.
#[derive(Clone, Default, Debug)]
pub(super) struct Progress(Arc<AtomicU64>);

impl Progress {
    pub(super) fn moved(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn seen(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// `None` when for `patience` nothing was taken and no answer came.
    pub(super) async fn guard<T>(&self, request: impl Future<Output = T>, patience: Duration) -> Option<T> {
        let mut request = pin!(request);
        loop {
            let before = self.seen();
            match tokio::time::timeout(patience, request.as_mut()).await {
                Ok(answer) => return Some(answer),
                Err(_) if self.seen() == before => return None,
                Err(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
    }

    #[test]
    fn what_does_not_move_is_given_up_and_what_moves_is_waited_for() {
        let patience = Duration::from_millis(20);
        let progress = Progress::default();
        assert_eq!(run(progress.guard(std::future::pending::<()>(), patience)), None);
        assert_eq!(run(progress.guard(std::future::ready(7), patience)), Some(7));
        let slow = async {
            for _ in 0..5 {
                tokio::time::sleep(patience).await;
                progress.moved();
            }
            8
        };
        // far more patient than each step takes: a loaded machine is no reason to fail
        assert_eq!(run(progress.guard(slow, Duration::from_secs(20))), Some(8));
    }
}
