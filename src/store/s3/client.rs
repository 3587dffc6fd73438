//! One bucket, spoken to by threads that block: the SDK's client, a thread that drives its connections, the counting.

use std::error::Error;
use std::future::Future;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::task::Poll;
use std::thread::JoinHandle;
use std::time::Duration;

use aws_config::meta::region::ProvideRegion;
use aws_config::provider_config::ProviderConfig;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Config, IdentityCache, Region, RequestChecksumCalculation, ResponseChecksumValidation,
    SharedHttpClient, StalledStreamProtectionConfig,
};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use tokio::runtime::{Handle, Runtime};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::address::S3Address;
use super::answer::{Failure, Unanswered};
use super::body::Body;
use super::credentials::Keyring;
use super::http;
use super::meter::Meter;
use super::pace::Pace;
use super::progress::Progress;
use crate::model::StorageClass;
use crate::store::limit::Direction;
use crate::store::{Limiter, Requests, StoreError, Verb, retry};

/// A bucket and how to speak to it. Calls block; any number of threads may call at once.
pub struct S3Client {
    sdk: aws_sdk_s3::Client,
    address: S3Address,
    region: String,
    keyring: Keyring,
    meter: Meter,
    limiter: Limiter,
    /// When somebody was told of the waiting.
    remarked: Mutex<Option<Instant>>,
    driver: Driver,
}

/// What is counted of a request, and how long nothing may happen.
#[derive(Clone, Copy)]
pub(super) struct Ask {
    verb: Verb,
    class: StorageClass,
    sent: u64,
    patience: Duration,
}

/// While a request goes up, for its next piece to be taken; and then for its answer. On the slowest line that is of any use
/// (16 KiB/s) that much is on its way in buffers.
const PATIENCE: Duration = Duration::from_secs(120);
/// For the answer to a question, which is short: a server that is alive begins to give it in less.
const ANSWER_PATIENCE: Duration = Duration::from_secs(30);
/// Then a person is told what is waited for, and not again before `REMARK_PAUSE`.
const REMARK_AFTER: Duration = Duration::from_secs(5);
const REMARK_PAUSE: Duration = Duration::from_secs(20);
/// After the wish to stop, until whatever is under way is left: the next start asks what became of it.
const STOPPING: Duration = Duration::from_secs(5);
/// Between two pieces of a body that comes down.
const STALLED: Duration = Duration::from_secs(60);

impl Ask {
    pub(super) fn new(verb: Verb) -> Self {
        Self { verb, class: StorageClass::Standard, sent: 0, patience: patience_of(verb) }
    }

    pub(super) fn class(self, class: StorageClass) -> Self {
        Self { class, ..self }
    }

    pub(super) fn sending(self, bytes: u64) -> Self {
        Self { sent: bytes, ..self }
    }

    /// For requests that the server takes its time to answer.
    pub(super) fn patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }
}

fn patience_of(verb: Verb) -> Duration {
    match verb {
        Verb::Put | Verb::CreateUpload | Verb::PutPart | Verb::CompleteUpload | Verb::PutBack => PATIENCE,
        Verb::Open
        | Verb::Get
        | Verb::GetRange
        | Verb::Head
        | Verb::List
        | Verb::Delete
        | Verb::ListParts
        | Verb::AbortUpload
        | Verb::ListUploads
        | Verb::Thaw
        | Verb::ListVersions
        | Verb::RemoveMarkers => ANSWER_PATIENCE,
    }
}

impl S3Client {
    /// Sends nothing: whether the bucket is there is told by the first request.
    pub fn open(address: &S3Address) -> Result<Self, StoreError> {
        let http = http::client(address.ca.as_deref())?;
        let driver = Driver::start()?;
        let (keyring, region) = driver.handle.block_on(surroundings(address, &http));
        let sdk = aws_sdk_s3::Client::from_conf(config(address, http, &keyring, &region));
        let (meter, limiter) = (Meter::default(), Limiter::unlimited());
        Ok(Self { sdk, address: address.clone(), region, keyring, meter, limiter, remarked: Mutex::default(), driver })
    }

    /// Bodies go no faster than the limiter allows.
    pub(super) fn limited(self, limiter: Limiter) -> Self {
        Self { limiter, ..self }
    }

    /// The SDK's client, for requests about the bucket itself. They are not counted here.
    pub fn sdk(&self) -> &aws_sdk_s3::Client {
        &self.sdk
    }

    /// Runs what was asked of [`S3Client::sdk`] to its end.
    pub fn run<T>(&self, future: impl Future<Output = T>) -> T {
        self.driver.handle.block_on(future)
    }

    pub fn address(&self) -> &S3Address {
        &self.address
    }

    /// The region that requests are signed for.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// An error of [`S3Client::sdk`] in words, with its disposition and remedy.
    pub fn error<E>(&self, verb: Verb, what: &str, error: SdkError<E, HttpResponse>) -> StoreError
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        self.failed(verb, what, Failure::from_sdk(error))
    }

    /// What fails after the wish to stop has no other cause.
    pub(super) fn failed(&self, verb: Verb, what: &str, failure: Failure) -> StoreError {
        if self.limiter.is_stopped() {
            return StoreError::Stopped;
        }
        let source = failure.into_refusal(verb, &self.region, &self.keyring.looked_at());
        StoreError::S3 { verb, what: what.to_owned(), bucket: self.address.bucket.clone(), source }
    }

    /// One request; a second one only when the first was refused for its credentials.
    pub(super) fn call<T, E, F>(&self, ask: Ask, send: impl Fn(&aws_sdk_s3::Client) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        self.run(async {
            let progress = Progress::default();
            match self.attempt(ask, &progress, send(&self.sdk)).await {
                Err(failure) if failure.wants_new_credentials() => {
                    self.keyring.forget().await;
                    self.attempt(ask, &progress, send(&self.sdk)).await
                }
                answer => answer,
            }
        })
    }

    /// As [`S3Client::call`], with a body that is made anew for every attempt.
    pub(super) fn call_with<T, E, F>(
        &self,
        ask: Ask,
        body: &Body,
        send: impl Fn(&aws_sdk_s3::Client, ByteStream) -> F,
    ) -> Result<Result<T, Failure>, StoreError>
    where
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let ask = ask.sending(body.len());
        self.run(async {
            let progress = Progress::default();
            let pace = Pace { limiter: self.limiter.clone(), progress: progress.clone() };
            match self.attempt(ask, &progress, send(&self.sdk, body.stream(&pace).await?)).await {
                Err(failure) if failure.wants_new_credentials() => {
                    self.keyring.forget().await;
                    Ok(self.attempt(ask, &progress, send(&self.sdk, body.stream(&pace).await?)).await)
                }
                answer => Ok(answer),
            }
        })
    }

    async fn attempt<T, E, F>(&self, ask: Ask, progress: &Progress, request: F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        self.meter.request(ask.verb, ask.class, ask.sent);
        // what takes a server its time is no news
        let remark_after = if ask.patience > PATIENCE { Duration::MAX } else { REMARK_AFTER };
        let guarded = progress.guard(request, ask.patience, remark_after, || self.remark(ask.verb));
        match unless_stopped(guarded, &self.limiter, STOPPING).await {
            Some(answer) => answer.map_err(Failure::from_sdk),
            None => Err(Failure::Unanswered(Unanswered::TimedOut(ask.patience))),
        }
    }

    /// Many may wait at once; one speaks for all.
    fn remark(&self, verb: Verb) {
        let mut last = self.remarked.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_none_or(|last| last.elapsed() >= REMARK_PAUSE) {
            *last = Some(Instant::now());
            let (this, verb) = (retry::this_try(), verb.code());
            tracing::warn!(
                verb,
                "waiting for the target: no answer yet{}",
                this.map(|this| this.to_string()).unwrap_or_default()
            );
        }
    }

    /// Exactly `len` bytes of a body that comes down.
    pub(super) fn read(&self, body: ByteStream, len: u64) -> Result<Vec<u8>, Failure> {
        let bytes = self.run(collect(body, len, &self.limiter))?;
        self.meter.received(len);
        Ok(bytes)
    }

    pub(super) fn was_of_class(&self, verb: Verb, class: StorageClass) {
        self.meter.was_of_class(verb, class);
    }

    pub(super) fn requests(&self) -> Requests {
        self.meter.snapshot()
    }
}

/// The answer; `None` when there is none, or not soon after the wish to stop.
async fn unless_stopped<T>(answer: impl Future<Output = Option<T>>, limiter: &Limiter, grace: Duration) -> Option<T> {
    let stopped = async {
        while !limiter.is_stopped() {
            tokio::time::sleep(grace / 10).await;
        }
        tokio::time::sleep(grace).await;
    };
    let (mut answer, mut stopped) = (pin!(answer), pin!(stopped));
    poll_fn(|context| match answer.as_mut().poll(context) {
        Poll::Ready(answer) => Poll::Ready(answer),
        Poll::Pending => stopped.as_mut().poll(context).map(|()| None),
    })
    .await
}

/// What is not read yet waits in the connection, and then at the server: so the limit holds for the line.
async fn collect(mut body: ByteStream, len: u64, limiter: &Limiter) -> Result<Vec<u8>, Failure> {
    let wrong = |what: String| Failure::Unanswered(Unanswered::Garbled(what));
    let len = usize::try_from(len).map_err(|_| wrong(format!("a body of {len} bytes is too large")))?;
    let mut bytes = Vec::with_capacity(len);
    loop {
        let next = async { Some(tokio::time::timeout(STALLED, body.next()).await) };
        let Some(piece) = unless_stopped(next, limiter, STOPPING).await else {
            return Err(Failure::Unanswered(Unanswered::TimedOut(STOPPING)));
        };
        match piece.map_err(|_| Failure::Unanswered(Unanswered::TimedOut(STALLED)))? {
            Some(Ok(piece)) if piece.len() <= len - bytes.len() => {
                limiter.clone().passing(Direction::Download, piece.len() as u64).await;
                bytes.extend_from_slice(&piece);
            }
            Some(Ok(_)) => return Err(wrong(format!("the body has more than {len} bytes"))),
            Some(Err(error)) => return Err(wrong(format!("the body was cut off: {error}"))),
            None if bytes.len() == len => return Ok(bytes),
            None => return Err(wrong(format!("the body has {} bytes, not {len}", bytes.len()))),
        }
    }
}

/// Credentials and region as the environment and the profiles have them.
async fn surroundings(address: &S3Address, http: &SharedHttpClient) -> (Keyring, String) {
    let config = ProviderConfig::default().with_http_client(http.clone());
    let region = match &address.region {
        Some(region) => region.clone(),
        None => usual_region(address, &config).await,
    };
    let config = config.with_region(Some(Region::new(region.clone())));
    (Keyring::new(address, &region, &config).await, region)
}

/// The environment, then the profile, then what most servers take. The metadata service is not asked: a machine's own
/// region says nothing about the bucket's.
async fn usual_region(address: &S3Address, config: &ProviderConfig) -> String {
    const FALLBACK: &str = "us-east-1";
    let environment = aws_config::environment::EnvironmentVariableRegionProvider::new();
    if let Some(region) = environment.region().await {
        return region.to_string();
    }
    let mut profile = aws_config::profile::region::Builder::default().configure(config);
    if let Some(name) = &address.profile {
        profile = profile.profile_name(name);
    }
    profile.build().region().await.map_or_else(|| FALLBACK.to_owned(), |region| region.to_string())
}

fn config(address: &S3Address, http: SharedHttpClient, keyring: &Keyring, region: &str) -> Config {
    let mut config = Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .http_client(http)
        .region(Region::new(region.to_owned()))
        .credentials_provider(keyring.clone())
        // the keyring keeps them, and forgets them when it is told to
        .identity_cache(IdentityCache::no_cache())
        // an answer that was lost must be seen, not papered over
        .retry_config(RetryConfig::disabled())
        // it takes a slow server for a dead one; `progress` knows better
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        // checksums are given with each body: see `checksum`
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
        .disable_s3_express_session_auth(true)
        .force_path_style(address.path_style());
    if let Some(endpoint) = &address.endpoint {
        config = config.endpoint_url(endpoint);
    }
    config.build()
}

/// The thread on which connections live. Callers wait on their own threads.
struct Driver {
    handle: Handle,
    /// Dropped to stop it.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Driver {
    fn start() -> Result<Self, StoreError> {
        let failed = |source| StoreError::io(Verb::Open, "connections", source);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("s3".to_owned());
        let thread = thread.spawn(move || drive(runtime, stopped)).map_err(failed)?;
        Ok(Self { handle, stop: Some(stop), thread: Some(thread) })
    }
}

fn drive(runtime: Runtime, stopped: oneshot::Receiver<()>) {
    // its end, whichever, is the sign to stop
    let _ = runtime.block_on(stopped);
    // a name that is still being looked up must not hold up the end of the program
    runtime.shutdown_background();
}

impl Drop for Driver {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // it only panics when a task of the SDK did, and that was reported then
            let _ = thread.join();
        }
    }
}

impl std::fmt::Debug for S3Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "S3Client({})", self.address)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::Relaxed;

    use super::*;

    #[test]
    fn nobody_waits_long_for_an_answer_after_the_wish_to_stop() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let (limiter, grace) = (Limiter::unlimited(), Duration::from_millis(20));
        let answer = || async { Some(7) };
        assert_eq!(runtime.block_on(unless_stopped(answer(), &limiter, grace)), Some(7));
        limiter.stop().store(true, Relaxed);
        assert_eq!(runtime.block_on(unless_stopped(answer(), &limiter, grace)), Some(7));
        let never = std::future::pending::<Option<i32>>();
        assert_eq!(runtime.block_on(unless_stopped(never, &limiter, grace)), None);
    }
}
