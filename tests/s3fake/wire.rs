//! HTTP on the loopback interface: counts what comes in and lets the ordered faults happen around the real answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::http::request::Parts;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, S3Error, S3ErrorCode};
use time::OffsetDateTime;
use time::macros::format_description;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::access::Guard;
use super::fault::Fault;
use super::flow::{Bend, Metered, bent};
use super::operation::Operation;
use super::service::Service;
use super::store::Fake;

/// How far the clocks of a signature and of S3 may be apart.
const SKEW: Duration = Duration::from_secs(15 * 60);

/// There is no answer: the connection is closed.
#[derive(Debug, thiserror::Error)]
#[error("the connection was dropped on purpose")]
struct Dropped;

pub struct Wire {
    fake: Arc<Fake>,
    service: S3Service,
}

/// Serves until told to stop; connections end with the runtime.
pub async fn serve(fake: Arc<Fake>, listener: TcpListener, mut stop: oneshot::Receiver<()>) {
    let wire = Arc::new(Wire { service: service(&fake), fake });
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = &mut stop => return,
        };
        let Ok((stream, _)) = accepted else { continue };
        // small answers go out at once
        let _ = stream.set_nodelay(true);
        tokio::spawn(wire.clone().connection(stream));
    }
}

pub async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}

fn service(fake: &Arc<Fake>) -> S3Service {
    let mut builder = S3ServiceBuilder::new(Service(fake.clone()));
    builder.set_auth(Guard(fake.clone()));
    builder.set_access(Guard(fake.clone()));
    let mut config = S3Config::default();
    // the skew is checked here, against a clock that tests set
    config.presigned_url_max_skew_time_secs = u32::MAX;
    builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(config))));
    builder.build()
}

impl Wire {
    async fn connection(self: Arc<Self>, stream: tokio::net::TcpStream) {
        let _open = Open::new(self.fake.clone());
        let service = service_fn(|request| self.clone().answer(request));
        // a client that goes away, or a connection that was dropped on purpose
        let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Result<Response<Body>, Dropped> {
        if let Some(command) = request.uri().path().strip_prefix("/_fake/") {
            let command = command.to_owned();
            return Ok(self.fake.command_over_http(&command, request.into_body()).await);
        }
        let (parts, incoming) = request.into_parts();
        let operation = Operation::of(&parts);
        self.fake.counts().request(operation.name);
        // before the rules are asked: who is held must not miss that they were cleared
        let cleared = self.fake.cleared.notified();
        let fault = self.fake.faults().choose(operation.name, &operation.object);
        if let Some(fault) = &fault {
            self.fake.counts().fault(fault.name());
        }
        let flip = fault == Some(Fault::FlipRequest);
        let (body, rest) = Metered::new(incoming, self.fake.clone(), &operation, flip);
        let answer = match self.before(&operation, fault.as_ref()).await {
            Before::Serve => self.serve(parts, body).await,
            Before::Answer(answer) => {
                drop(body);
                answer
            }
            Before::Drop => {
                rest.read_to_end().await;
                return Err(Dropped);
            }
        };
        // an answer that overtakes the request's body would be lost in the broken connection
        rest.read_to_end().await;
        match fault {
            Some(Fault::HoldAnswer) => {
                self.fake.counts().held += 1;
                std::future::pending::<()>().await;
            }
            Some(Fault::HoldUntilCleared) => {
                self.fake.counts().held += 1;
                cleared.await;
                self.fake.counts().held -= 1;
            }
            _ => {}
        }
        let mut answer = dated(answer, self.fake.state().settings.skew_seconds);
        if !self.fake.state().settings.no_request_ids && !matches!(fault, Some(Fault::Gateway { .. })) {
            answer.headers_mut().insert("x-amz-request-id", HeaderValue::from_static("0123456789ABCDEF"));
        }
        after(answer, fault.as_ref()).map(|answer| self.counted(answer, &operation))
    }

    async fn before(&self, operation: &Operation, fault: Option<&Fault>) -> Before {
        match fault {
            Some(Fault::DropRequest) => return Before::Drop,
            Some(Fault::Stall) => std::future::pending::<()>().await,
            Some(Fault::Delay { milliseconds }) => tokio::time::sleep(Duration::from_millis(*milliseconds)).await,
            Some(Fault::Refuse { status, code }) => return Before::Answer(error(*status, code)),
            Some(Fault::Gateway { status }) => return Before::Answer(gateway(*status)),
            Some(Fault::ErrorIn200 { code, after_effect: false }) => return Before::Answer(error(200, code)),
            Some(Fault::AbortUpload) => self.fake.harm(operation, super::disk::State::abort),
            Some(Fault::LoseParts) => self.fake.harm(operation, super::disk::State::lose_parts),
            _ => {}
        }
        Before::Serve
    }

    async fn serve(&self, parts: Parts, body: Metered) -> Response<Body> {
        if self.is_skewed(&parts) {
            return error(403, "RequestTimeTooSkewed");
        }
        let request = Request::from_parts(parts, Body::http_body_unsync(body));
        self.service.call(request).await.unwrap_or_else(|_| error(500, "InternalError"))
    }

    fn is_skewed(&self, parts: &Parts) -> bool {
        let Some(date) = parts.headers.get("x-amz-date").and_then(|date| date.to_str().ok()) else { return false };
        let format = format_description!("[year][month][day]T[hour][minute][second]Z");
        let Ok(date) = time::PrimitiveDateTime::parse(date, &format) else { return false };
        let now = OffsetDateTime::now_utc() + time::Duration::seconds(self.fake.state().settings.skew_seconds);
        (now - date.assume_utc()).unsigned_abs() > SKEW
    }

    fn counted(&self, answer: Response<Body>, operation: &Operation) -> Response<Body> {
        if operation.name != "GetObject" {
            return answer;
        }
        let fake = self.fake.clone();
        answer.map(|body| bent(body, Bend::Count(fake)))
    }
}

/// A connection, as it is counted.
struct Open(Arc<Fake>);

impl Open {
    fn new(fake: Arc<Fake>) -> Self {
        let mut counts = fake.counts();
        counts.connections += 1;
        counts.open += 1;
        drop(counts);
        Self(fake)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.counts().open -= 1;
    }
}

enum Before {
    Serve,
    Answer(Response<Body>),
    Drop,
}

fn after(answer: Response<Body>, fault: Option<&Fault>) -> Result<Response<Body>, Dropped> {
    Ok(match fault {
        Some(Fault::DropAnswer) => return Err(Dropped),
        Some(Fault::ErrorIn200 { code, after_effect: true }) => error(200, code),
        Some(Fault::TruncateAnswer) => answer.map(|body| bent(body, Bend::Truncate)),
        Some(Fault::StallAnswer) => answer.map(|body| bent(body, Bend::Stall)),
        Some(Fault::FlipAnswer) => answer.map(|body| bent(body, Bend::Flip)),
        _ => answer,
    })
}

/// Clients learn the server's clock from it.
fn dated(mut answer: Response<Body>, skew_seconds: i64) -> Response<Body> {
    if skew_seconds != 0 {
        let format =
            format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");
        let now = OffsetDateTime::now_utc() + time::Duration::seconds(skew_seconds);
        let now = now.format(&format).expect("the format fits all dates");
        answer.headers_mut().insert("date", HeaderValue::try_from(now).expect("a date is ASCII"));
    }
    answer
}

fn gateway(status: u16) -> Response<Body> {
    let page = "<html><head><title>Not Found</title></head><body>nginx</body></html>";
    let mut answer = Response::new(Body::from(page.to_owned()));
    *answer.status_mut() = StatusCode::from_u16(status).expect("tests order statuses that exist");
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
    answer
}

fn error(status: u16, code: &str) -> Response<Body> {
    let mut error = S3Error::new(code.parse::<S3ErrorCode>().expect("every text is a code"));
    error.set_message("ordered by the test");
    error.set_status_code(StatusCode::from_u16(status).expect("tests order statuses that exist"));
    let mut answer = error.to_http_response().expect("an error can be written");
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    answer
}
