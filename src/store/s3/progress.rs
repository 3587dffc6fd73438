//! Whether a body that goes up still moves. A connection whose network went away stays open for a quarter of an hour; what
//! matters is not how long a request takes, but how long nothing happens.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use aws_sdk_s3::primitives::SdkBody;
use http_body::{Body, Frame, SizeHint};

/// Pieces of bodies that the connection has taken. Clones share it.
#[derive(Clone, Default, Debug)]
pub(super) struct Progress(Arc<AtomicU64>);

impl Progress {
    /// The same body, counted.
    pub(super) fn watch(&self, body: SdkBody) -> SdkBody {
        let progress = self.clone();
        body.map(move |inner| SdkBody::from_body_1_x(Watched { inner, progress: progress.clone() }))
    }

    fn moved(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn seen(&self) -> u64 {
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

struct Watched {
    inner: SdkBody,
    progress: Progress,
}

impl Body for Watched {
    type Data = <SdkBody as Body>::Data;
    type Error = <SdkBody as Body>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        if polled.is_ready() {
            self.progress.moved();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    /// The length goes into a header: without it the body would go in chunks.
    fn size_hint(&self) -> SizeHint {
        Body::size_hint(&self.inner)
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
