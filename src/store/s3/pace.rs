//! A body that goes up in pieces, each when the limit allows it; the watch over stalled lines sees every step.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use aws_sdk_s3::primitives::SdkBody;
use http_body::{Body, Frame, SizeHint};

use super::progress::Progress;
use crate::store::limit::Direction;
use crate::store::{Limiter, StoreError};

/// What the bodies of one request share.
#[derive(Clone)]
pub(super) struct Pace {
    pub(super) limiter: Limiter,
    pub(super) progress: Progress,
}

impl Pace {
    /// The same body, piece by piece.
    pub(super) fn keep(&self, body: SdkBody) -> SdkBody {
        let pace = self.clone();
        body.map(move |inner| SdkBody::from_body_1_x(Paced::new(inner, pace.clone())))
    }

    /// Before a body that goes in one piece.
    pub(super) async fn one_piece(&self, bytes: u64) -> Result<(), StoreError> {
        self.limiter.clone().passing(Direction::Upload, bytes).await;
        if self.limiter.is_stopped() { Err(StoreError::Stopped) } else { Ok(()) }
    }
}

type Bytes = <SdkBody as Body>::Data;

struct Paced {
    inner: SdkBody,
    pace: Pace,
    /// Read, and not gone yet.
    held: Bytes,
    next: Option<Next>,
}

/// A piece of what is held that waits for its turn.
struct Next {
    bytes: usize,
    turn: Pin<Box<dyn Future<Output = ()> + Send + Sync>>,
}

impl Paced {
    fn new(inner: SdkBody, pace: Pace) -> Self {
        Self { inner, pace, held: Bytes::new(), next: None }
    }

    /// The next piece of what is held; booked when it is first asked for.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, StoreError>> {
        let Pace { limiter, progress } = &self.pace;
        let held = self.held.len();
        let next = self.next.get_or_insert_with(|| {
            let bytes = held.min(limiter.piece(Direction::Upload));
            Next { bytes, turn: Box::pin(limiter.clone().passing(Direction::Upload, bytes as u64)) }
        });
        // our own wait is no stalled line: it wakes us often enough to be seen
        progress.moved();
        ready!(next.turn.as_mut().poll(cx));
        let bytes = next.bytes;
        self.next = None;
        if self.pace.limiter.is_stopped() {
            return Poll::Ready(Err(StoreError::Stopped));
        }
        Poll::Ready(Ok(self.held.split_to(bytes)))
    }
}

impl Body for Paced {
    type Data = Bytes;
    type Error = <SdkBody as Body>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        while self.held.is_empty() {
            match ready!(Pin::new(&mut self.inner).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(bytes) => self.held = bytes,
                    Err(frame) => return Poll::Ready(Some(Ok(frame))),
                },
                end => return Poll::Ready(end),
            }
        }
        self.poll_piece(cx).map(|piece| Some(piece.map(Frame::data).map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.held.is_empty() && self.inner.is_end_stream()
    }

    /// The length goes into a header: without it the body would go in chunks.
    fn size_hint(&self) -> SizeHint {
        let left = Body::size_hint(&self.inner).exact().map(|bytes| bytes + self.held.len() as u64);
        left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::clock::Clock;
    use crate::model::{Rates, Timestamp};

    /// Each piece and the moment when it went, in nanoseconds.
    fn pieces(clock: &Clock, bodies: &[usize], rate: Option<u64>) -> Vec<(u128, usize)> {
        let limiter = Limiter::new(clock.clone(), move |_| Rates { upload: rate, download: None });
        let pace = Pace { limiter, progress: Progress::default() };
        let went = Arc::new(Mutex::new(Vec::new()));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let bodies = bodies.iter().map(|len| pace.keep(SdkBody::from(vec![7; *len])));
            let tasks: Vec<_> = bodies.map(|body| tokio::spawn(drain(body, clock.clone(), went.clone()))).collect();
            for task in tasks {
                task.await.unwrap();
            }
        });
        Arc::into_inner(went).unwrap().into_inner().unwrap()
    }

    async fn drain(mut body: SdkBody, clock: Clock, went: Arc<Mutex<Vec<(u128, usize)>>>) {
        while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            let piece = frame.unwrap().into_data().unwrap();
            went.lock().unwrap().push((clock.monotonic().0.as_nanos(), piece.len()));
            tokio::task::yield_now().await;
        }
    }

    #[test]
    fn no_piece_of_any_body_goes_earlier_than_the_limit_allows() {
        const RATE: u64 = 100_000;
        let (clock, _) = Clock::manual(Timestamp::default());
        let sizes = [1_000_000, 3, 700_001, 0, 300_000];
        let went = pieces(&clock, &sizes, Some(RATE));
        let mut sum = 0;
        for (nanos, bytes) in went {
            assert!(sum as u128 <= nanos * u128::from(RATE) / 1_000_000_000, "{sum} bytes after {nanos} ns");
            assert!(bytes <= 3125, "a thirtieth of a second");
            sum += bytes;
        }
        assert_eq!(sum, sizes.iter().sum::<usize>());
    }

    #[test]
    fn without_a_limit_nothing_waits_and_pieces_are_large() {
        let (clock, manual) = Clock::manual(Timestamp::default());
        let went = pieces(&clock, &[600_000], None);
        assert_eq!(went.iter().map(|(_, bytes)| *bytes).collect::<Vec<_>>(), [262_144, 262_144, 75_712]);
        assert!(manual.slept().is_empty());
    }

    #[test]
    fn a_body_says_how_long_it_is_until_its_end() {
        let (clock, _) = Clock::manual(Timestamp::default());
        let limiter = Limiter::new(clock, |_| Rates { upload: Some(1 << 20), download: None });
        let mut body = Pace { limiter, progress: Progress::default() }.keep(SdkBody::from(vec![7; 100_000]));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut left = 100_000;
        while !Body::is_end_stream(&body) {
            assert_eq!(Body::size_hint(&body).exact(), Some(left));
            let frame = runtime.block_on(poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)));
            let Some(frame) = frame else { break };
            left -= frame.unwrap().into_data().unwrap().len() as u64;
        }
        assert_eq!(left, 0);
    }

    #[test]
    fn waiting_for_our_own_limit_is_no_stalled_line() {
        let (clock, _) = Clock::manual(Timestamp::default());
        let limiter = Limiter::new(clock, |_| Rates { upload: Some(1), download: None });
        let pace = Pace { limiter, progress: Progress::default() };
        let mut body = pace.keep(SdkBody::from(vec![7; 5000]));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for _ in 0..5 {
            let before = pace.progress.seen();
            runtime.block_on(poll_fn(|cx| Pin::new(&mut body).poll_frame(cx))).unwrap().unwrap();
            assert!(pace.progress.seen() > before);
        }
    }
}
