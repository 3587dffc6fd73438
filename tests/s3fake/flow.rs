//! Bodies as they pass: counted, and bent where a fault says so.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::body::{Body as HttpBody, Bytes, Frame, Incoming, SizeHint};
use s3s::{Body, StdError};
use tokio::sync::oneshot;

use super::operation::Operation;
use super::store::Fake;

/// A request's body on its way in. Dropped before its end, the rest can still be read.
pub struct Metered {
    incoming: Option<Incoming>,
    back: Option<oneshot::Sender<Incoming>>,
    meter: Meter,
    flip: bool,
}

/// What was not read of a body.
pub struct Rest {
    unread: oneshot::Receiver<Incoming>,
    meter: Meter,
}

#[derive(Clone)]
struct Meter {
    fake: Arc<Fake>,
    /// Where the bytes are counted, if they are of an object or a part.
    row: Option<usize>,
}

impl Meter {
    fn count(&self, bytes: &Bytes) {
        if let Some(row) = self.row {
            self.fake.counts().received[row].bytes += bytes.len() as u64;
        }
    }
}

impl Metered {
    pub fn new(incoming: Incoming, fake: Arc<Fake>, operation: &Operation, flip: bool) -> (Self, Rest) {
        let carries = ["PutObject", "UploadPart"].contains(&operation.name);
        let row = carries.then(|| fake.counts().body(&operation.object, operation.part));
        let (back, unread) = oneshot::channel();
        let meter = Meter { fake, row };
        let rest = Rest { unread, meter: meter.clone() };
        (Self { incoming: Some(incoming), back: Some(back), meter, flip }, rest)
    }

    fn incoming(&mut self) -> &mut Incoming {
        self.incoming.as_mut().expect("only drop takes it")
    }
}

impl Drop for Metered {
    fn drop(&mut self) {
        if let (Some(incoming), Some(back)) = (self.incoming.take(), self.back.take()) {
            // nobody waits for it when the connection is gone
            let _ = back.send(incoming);
        }
    }
}

impl HttpBody for Metered {
    type Data = Bytes;
    type Error = StdError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, StdError>>> {
        let polled = Pin::new(self.incoming()).poll_frame(cx).map_err(StdError::from);
        let Poll::Ready(Some(Ok(frame))) = polled else { return polled };
        let Ok(bytes) = frame.into_data() else { return Poll::Ready(Some(Ok(Frame::data(Bytes::new())))) };
        self.meter.count(&bytes);
        let bytes = if std::mem::take(&mut self.flip) { flipped(bytes) } else { bytes };
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map(HttpBody::size_hint).unwrap_or_default()
    }
}

impl Rest {
    pub async fn read_to_end(mut self) {
        let Ok(mut incoming) = self.unread.try_recv() else { return };
        while let Some(Ok(frame)) = poll_fn(|cx| Pin::new(&mut incoming).poll_frame(cx)).await {
            if let Ok(bytes) = frame.into_data() {
                self.meter.count(&bytes);
            }
        }
    }
}

/// What happens to the body of an answer.
pub enum Bend {
    Flip,
    /// The connection breaks after half of it.
    Truncate,
    /// Nothing comes after half of it.
    Stall,
    Count(Arc<Fake>),
}

pub fn bent(body: Body, bend: Bend) -> Body {
    let left = match bend {
        Bend::Truncate | Bend::Stall => HttpBody::size_hint(&body).lower() / 2,
        Bend::Flip | Bend::Count(_) => u64::MAX,
    };
    Body::http_body_unsync(Bent { body, bend, left, is_first: true, is_flushed: false })
}

struct Bent {
    body: Body,
    bend: Bend,
    /// Bytes until it ends.
    left: u64,
    is_first: bool,
    /// The half was sent off before the connection breaks: the server writes while a body has nothing to give.
    is_flushed: bool,
}

impl HttpBody for Bent {
    type Data = Bytes;
    type Error = StdError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, StdError>>> {
        if self.left == 0 {
            if matches!(self.bend, Bend::Stall) {
                // the client goes away first
                return Poll::Pending;
            }
            if !std::mem::replace(&mut self.is_flushed, true) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            return Poll::Ready(Some(Err("the answer is cut off on purpose".into())));
        }
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        let Poll::Ready(Some(Ok(frame))) = polled else { return polled };
        let Ok(mut bytes) = frame.into_data() else { return Poll::Ready(None) };
        if matches!(self.bend, Bend::Flip) && std::mem::take(&mut self.is_first) {
            bytes = flipped(bytes);
        }
        bytes.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.left -= bytes.len() as u64;
        if let Bend::Count(fake) = &self.bend {
            fake.counts().sent += bytes.len() as u64;
        }
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn size_hint(&self) -> SizeHint {
        HttpBody::size_hint(&self.body)
    }
}

/// The lowest bit of the last byte.
fn flipped(bytes: Bytes) -> Bytes {
    let mut bytes = bytes.to_vec();
    if let Some(last) = bytes.last_mut() {
        *last ^= 1;
    }
    bytes.into()
}
