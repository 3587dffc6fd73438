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

    /// `None` when for `patience` nothing was taken and no answer came. `remark` is called when that lasts for `remark_after`.
    pub(super) async fn guard<T>(
        &self,
        request: impl Future<Output = T>,
        patience: Duration,
        remark_after: Duration,
        remark: impl Fn(),
    ) -> Option<T> {
        let mut request = pin!(request);
        let (mut before, mut quiet) = (self.seen(), Duration::ZERO);
        loop {
            let until = if quiet < remark_after { remark_after.min(patience) } else { patience };
            if let Ok(answer) = tokio::time::timeout(until - quiet, request.as_mut()).await {
                return Some(answer);
            }
            if self.seen() != before {
                (before, quiet) = (self.seen(), Duration::ZERO);
                continue;
            }
            quiet = until;
            if quiet == patience {
                return None;
            }
            remark();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::pin::Pin;
    use std::task::Poll;

    use super::*;

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
    }

    #[test]
    fn what_does_not_move_is_given_up_and_what_moves_is_waited_for() {
        let patience = Duration::from_millis(20);
        let progress = Progress::default();
        let never = Duration::MAX;
        assert_eq!(run(progress.guard(std::future::pending::<()>(), patience, never, || ())), None);
        assert_eq!(run(progress.guard(std::future::ready(7), patience, never, || ())), Some(7));
        let slow = async {
            for _ in 0..5 {
                tokio::time::sleep(patience).await;
                progress.moved();
            }
            8
        };
        // far more patient than each step takes: a loaded machine is no reason to fail
        assert_eq!(run(progress.guard(slow, Duration::from_secs(20), never, || ())), Some(8));
    }

    #[test]
    fn who_waits_is_told_once_and_not_while_something_moves() {
        let progress = Progress::default();
        let said = Cell::new(0);
        let guard = |request| {
            let (patience, after) = (Duration::from_millis(30), Duration::from_millis(10));
            progress.guard(request, patience, after, || said.set(said.get() + 1))
        };
        let (moves, tired) = (progress.clone(), std::future::pending::<()>());
        assert_eq!(run(guard(Box::pin(tired) as Pin<Box<dyn Future<Output = ()>>>)), None);
        assert_eq!(said.replace(0), 1);
        // a piece is taken whenever it is looked at
        let busy = std::future::poll_fn(move |_| {
            moves.moved();
            if moves.seen() < 5 { Poll::Pending } else { Poll::Ready(()) }
        });
        assert_eq!(run(guard(Box::pin(busy))), Some(()));
        assert_eq!(said.get(), 0);
    }
}
