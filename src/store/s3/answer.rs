//! From what the SDK reports to [`Failure`]: status, code and the few headers that matter; total over all codes.

use std::error::Error;
use std::io;
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ConnectorError, ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};

use super::credentials::PROFILE;
use super::key_file::KeyFileError;
use super::refusal::S3Refusal;
use super::way::{Obstacle, obstacle, proxies};
use crate::clock::Clock;
use crate::store::Verb;

type Cause = Box<dyn Error + Send + Sync + 'static>;

/// A request that did not succeed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The server answered, and not with success (or with a success that carries an error).
    Answered(Answer),
    /// No answer, or none that was understood.
    Unanswered(Unanswered),
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// Empty where the answer has no body, as to HEAD.
    pub(super) code: String,
    pub(super) message: String,
    /// Of the bucket, as the server says.
    pub(super) region: Option<String>,
    /// The server's clock, as it wrote it.
    pub(super) date: Option<String>,
    /// It bears the number that S3 gives to every request.
    pub(super) is_numbered: bool,
}

#[derive(Debug)]
pub(super) enum Unanswered {
    Credentials { source: Cause, is_final: bool },
    TimedOut(Duration),
    Blocked(Obstacle, Cause),
    Unreachable(Cause),
    Unsendable(Cause),
    Garbled(String),
}

impl Failure {
    pub(super) fn from_sdk<E>(error: SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        match error {
            SdkError::ServiceError(answered) => {
                let (code, message) = (answered.err().code(), answered.err().message());
                Failure::Answered(Answer::new(answered.raw(), code.unwrap_or_default(), message.unwrap_or_default()))
            }
            SdkError::ResponseError(_) => Failure::Unanswered(Unanswered::Garbled(innermost(&error))),
            SdkError::ConstructionFailure(_) => Failure::Unanswered(Unanswered::unsendable(source_of(error))),
            SdkError::DispatchFailure(ref dispatch) if dispatch.is_user() => {
                Failure::Unanswered(Unanswered::unsendable(source_of(error)))
            }
            error => Failure::Unanswered(Unanswered::unreachable(source_of(error))),
        }
    }

    pub(super) fn status(&self) -> u16 {
        match self {
            Failure::Answered(answer) => answer.status,
            Failure::Unanswered(_) => 0,
        }
    }

    pub(super) fn code(&self) -> &str {
        match self {
            Failure::Answered(answer) => &answer.code,
            Failure::Unanswered(_) => "",
        }
    }

    /// The store says that the object or upload is not there: not the bucket, and not something that stands before the store.
    pub(super) fn is_missing(&self) -> bool {
        match self {
            Failure::Answered(answer) => answer.status == 404 && answer.code != "NoSuchBucket" && answer.is_of_s3(),
            Failure::Unanswered(_) => false,
        }
    }

    /// A refusal without a reason, as the answer to a HEAD is.
    pub(super) fn is_mute(&self) -> bool {
        (400..500).contains(&self.status()) && matches!(self.code(), "" | "NotFound")
    }

    /// New credentials may help: these ran out, or were exchanged.
    pub(super) fn wants_new_credentials(&self) -> bool {
        EXPIRED.contains(&self.code()) || self.code() == "InvalidAccessKeyId"
    }

    /// `used` and `looked_at` are what the message names: the region of the client and the sources of credentials.
    pub(super) fn into_refusal(self, verb: Verb, used: &str, looked_at: &str) -> S3Refusal {
        match self {
            Failure::Answered(answer) => answer.into_refusal(verb, used),
            Failure::Unanswered(unanswered) => unanswered.into_refusal(looked_at),
        }
    }
}

const EXPIRED: [&str; 4] = ["ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "InvalidToken"];
const ELSEWHERE: [&str; 4] =
    ["PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "TemporaryRedirect"];
const DAMAGED: [&str; 4] = ["BadDigest", "XAmzContentSHA256Mismatch", "IncompleteBody", "InvalidDigest"];
const FULL: [&str; 6] = [
    "QuotaExceeded",
    "InsufficientStorage",
    "StorageFull",
    "XMinioStorageFull",
    "ServiceQuotaExceeded",
    "StorageQuotaExceeded",
];
/// Of any status: some servers send them with 400 or 409.
const BUSY: [&str; 8] = [
    "SlowDown",
    "ServiceUnavailable",
    "InternalError",
    "RequestTimeout",
    "OperationAborted",
    "ConditionalRequestConflict",
    "RequestLimitExceeded",
    "Throttling",
];

impl Answer {
    fn new(raw: &HttpResponse, code: &str, message: &str) -> Self {
        let header = |name| raw.headers().get(name).map(str::to_owned);
        Self {
            status: raw.status().as_u16(),
            code: code.to_owned(),
            message: message.to_owned(),
            region: header("x-amz-bucket-region").or_else(|| region_in(message)),
            date: header("date"),
            is_numbered: raw.headers().get("x-amz-request-id").is_some(),
        }
    }

    /// A gateway whose store is away answers as well, with a page of its own or with nothing. What names an error of S3, or has the
    /// number of a request, is the store's word. (`NotFound` is what the SDK makes of a 404 without a body.)
    fn is_of_s3(&self) -> bool {
        self.is_numbered || !matches!(self.code.as_str(), "" | "NotFound")
    }

    /// Neither an answer to the question nor an error, or the way to somewhere else. (301 is how AWS names a region.)
    fn is_of_a_page(&self) -> bool {
        match self.status {
            200..300 => self.code.is_empty(),
            301 => false,
            300..400 => !self.is_of_s3(),
            _ => false,
        }
    }

    fn into_refusal(self, verb: Verb, used: &str) -> S3Refusal {
        if self.status == 404 && !self.is_of_s3() {
            return S3Refusal::Garbled(
                "404 without an error of S3, as a gateway answers whose store is away".to_owned(),
            );
        }
        if self.is_of_a_page() {
            return S3Refusal::Garbled(format!(
                "{} without anything of S3, as a network answers that wants a login first",
                self.status
            ));
        }
        let Self { status, code, message, region, date, .. } = self;
        match (code.as_str(), status) {
            ("NoSuchBucket", _) => S3Refusal::NoSuchBucket,
            (_, 407) => S3Refusal::ProxyWantsLogin { proxy: proxies() },
            (elsewhere, status)
                if (ELSEWHERE.contains(&elsewhere) || status == 301) && region.as_deref() != Some(used) =>
            {
                S3Refusal::WrongRegion { used: used.to_owned(), right: region }
            }
            ("SignatureDoesNotMatch", _) => S3Refusal::WrongSecret,
            ("InvalidAccessKeyId", _) => S3Refusal::UnknownKey,
            (expired, _) if EXPIRED.contains(&expired) => S3Refusal::Expired,
            ("RequestTimeTooSkewed" | "RequestExpired", _) => S3Refusal::ClockSkew {
                ours: our_date(),
                theirs: date.unwrap_or_else(|| "nothing about its own".to_owned()),
            },
            (damaged, _) if DAMAGED.contains(&damaged) => S3Refusal::DamagedOnTheWay { code },
            (full, status) if FULL.contains(&full) || status == 507 => S3Refusal::Full { code, message },
            ("NotImplemented", _) | (_, 501) => S3Refusal::NotOffered { status, code, message },
            ("GlacierExpeditedRetrievalNotAvailable", _) => S3Refusal::TierBusy { message },
            (busy, _) if BUSY.contains(&busy) => S3Refusal::Busy { status, code, message },
            (_, 500..=599 | 408 | 409 | 425 | 429) => S3Refusal::Busy { status, code, message },
            (_, 401 | 403) => S3Refusal::AccessDenied { action: action(verb), message: said(code, message) },
            _ => S3Refusal::Refused { status, code, message },
        }
    }
}

impl Unanswered {
    fn unsendable(error: Cause) -> Self {
        Self::of_credentials(error).unwrap_or_else(Unanswered::Unsendable)
    }

    /// Where the certificate is not that of whom we asked, nothing that follows is the target's. Other errors of TLS are
    /// bytes that were damaged.
    fn unreachable(error: Cause) -> Self {
        match obstacle(&*error, find::<rustls::Error>(&*error)) {
            Some(obstacle) => Unanswered::Blocked(obstacle, error),
            None => Self::of_credentials(error).unwrap_or_else(Unanswered::Unreachable),
        }
    }

    /// Gives the error back when it is about something else.
    fn of_credentials(error: Cause) -> Result<Self, Cause> {
        match find::<CredentialsError>(&*error) {
            None => Err(error),
            Some(credentials) => {
                let is_final = matches!(
                    credentials,
                    CredentialsError::CredentialsNotLoaded(_) | CredentialsError::InvalidConfiguration(_)
                );
                Ok(Unanswered::Credentials { source: error, is_final })
            }
        }
    }

    fn into_refusal(self, looked_at: &str) -> S3Refusal {
        let looked_at = looked_at.to_owned();
        match self {
            Unanswered::Credentials { source, is_final: true } if find::<KeyFileError>(&*source).is_some() => {
                S3Refusal::BadKeyFile { looked_at, source }
            }
            Unanswered::Credentials { source, is_final: true } if looked_at.starts_with(PROFILE) => {
                S3Refusal::BadProfile { looked_at, source }
            }
            Unanswered::Credentials { source, is_final: true } => S3Refusal::NoCredentials { looked_at, source },
            Unanswered::Credentials { source, is_final: false } => S3Refusal::CredentialsFailed { looked_at, source },
            Unanswered::TimedOut(limit) => S3Refusal::TimedOut(limit),
            Unanswered::Blocked(obstacle, source) => match obstacle {
                Obstacle::Untrusted => S3Refusal::Untrusted { source },
                Obstacle::AuthorityAsServer => S3Refusal::AuthorityAsServer { source },
                Obstacle::NoTls => S3Refusal::NoTls { source },
                Obstacle::ProxyWantsLogin => S3Refusal::ProxyWantsLogin { proxy: proxies() },
                Obstacle::ProxyKind => S3Refusal::ProxyKind { proxy: proxies(), source },
            },
            Unanswered::Unreachable(source) => S3Refusal::Unreachable { source },
            Unanswered::Unsendable(source) => S3Refusal::Unsendable { source },
            Unanswered::Garbled(what) => S3Refusal::Garbled(what),
        }
    }
}

/// The cause itself, without the layers of the SDK that only say that there is one.
fn source_of<E>(error: SdkError<E, HttpResponse>) -> Cause
where
    E: Error + Send + Sync + 'static,
{
    let source = error.into_source().unwrap_or_else(|error| Box::new(error));
    match source.downcast::<ConnectorError>() {
        Ok(connector) => connector.into_source(),
        Err(source) => source,
    }
}

/// The first `T` in the chain of causes, also inside of an [`io::Error`], which leaves it out of its chain.
fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        let inner = error.downcast_ref::<io::Error>().and_then(|error| error.get_ref());
        if let Some(found) = inner.and_then(|inner| find::<T>(inner)) {
            return Some(found);
        }
        next = error.source();
    }
    None
}

fn innermost(error: &dyn Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// AWS names the right region in words as well: `…; expecting 'eu-west-1'`.
fn region_in(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("expecting '")?;
    Some(rest.split_once('\'')?.0.to_owned())
}

fn our_date() -> String {
    let now = DateTime::from_secs(Clock::system().wall().secs);
    now.fmt(DateTimeFormat::HttpDate).unwrap_or_else(|_| "a time out of range".to_owned())
}

fn said(code: String, message: String) -> String {
    match (code.is_empty(), message.is_empty()) {
        (true, true) => "it does not say why".to_owned(),
        (_, true) => code,
        (true, false) => message,
        (false, false) => format!("{code}: {message}"),
    }
}

/// What the policy of the credentials must allow for a verb.
fn action(verb: Verb) -> &'static str {
    match verb {
        Verb::Open | Verb::List => "s3:ListBucket",
        Verb::Put | Verb::CreateUpload | Verb::PutPart | Verb::CompleteUpload => "s3:PutObject",
        Verb::Get | Verb::GetRange => "s3:GetObject",
        Verb::Head => "s3:GetObject or s3:ListBucket",
        Verb::Delete => "s3:DeleteObject",
        Verb::ListParts => "s3:ListMultipartUploadParts",
        Verb::AbortUpload => "s3:AbortMultipartUpload",
        Verb::ListUploads => "s3:ListBucketMultipartUploads",
        Verb::Thaw => "s3:RestoreObject",
        Verb::ListVersions => "s3:ListBucketVersions",
        Verb::RemoveMarkers => "s3:DeleteObjectVersion",
        Verb::PutBack => "s3:GetObjectVersion and s3:PutObject",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Disposition;

    fn refusal(status: u16, code: &str) -> S3Refusal {
        let answer = Answer { status, code: code.to_owned(), ..Answer::default() };
        answer.into_refusal(Verb::Get, "us-east-1")
    }

    #[test]
    fn every_answer_has_a_disposition() {
        let cases = [
            (404, "NoSuchBucket", Disposition::Permanent),
            (404, "", Disposition::Retry),
            (404, "NotFound", Disposition::Retry),
            (301, "PermanentRedirect", Disposition::Permanent),
            (403, "AccessDenied", Disposition::Denied),
            (403, "", Disposition::Denied),
            (401, "", Disposition::Denied),
            (403, "SignatureDoesNotMatch", Disposition::Denied),
            (403, "InvalidAccessKeyId", Disposition::Denied),
            (400, "ExpiredToken", Disposition::Denied),
            (403, "RequestTimeTooSkewed", Disposition::Retry),
            (503, "SlowDown", Disposition::Retry),
            (503, "GlacierExpeditedRetrievalNotAvailable", Disposition::Permanent),
            (500, "InternalError", Disposition::Retry),
            (200, "InternalError", Disposition::Retry),
            (200, "", Disposition::Retry),
            (302, "", Disposition::Retry),
            (307, "TemporaryRedirect", Disposition::Permanent),
            (502, "", Disposition::Retry),
            (400, "RequestTimeout", Disposition::Retry),
            (409, "ConditionalRequestConflict", Disposition::Retry),
            (429, "", Disposition::Retry),
            (400, "BadDigest", Disposition::Retry),
            (507, "", Disposition::Full),
            (403, "QuotaExceeded", Disposition::Full),
            (501, "NotImplemented", Disposition::Permanent),
            (400, "InvalidArgument", Disposition::Permanent),
            (418, "", Disposition::Permanent),
            (407, "", Disposition::Permanent),
        ];
        for (status, code, disposition) in cases {
            assert_eq!(refusal(status, code).disposition(), disposition, "{status} {code}");
        }
    }

    #[test]
    fn only_the_store_can_say_that_something_is_not_there() {
        let missing = |status, code: &str, is_numbered| {
            Failure::Answered(Answer { status, code: code.to_owned(), is_numbered, ..Answer::default() }).is_missing()
        };
        for code in ["NoSuchKey", "NoSuchUpload"] {
            assert!(missing(404, code, false) && missing(404, code, true));
        }
        // a HEAD has no body: the number of the request is all there is
        assert!(missing(404, "NotFound", true) && missing(404, "", true));
        assert!(!missing(404, "NotFound", false) && !missing(404, "", false));
        assert!(!missing(404, "NoSuchBucket", true) && !missing(403, "", true));
    }

    #[test]
    fn the_right_region_comes_from_the_header_or_the_words() {
        let answer = Answer { status: 301, region: Some("eu-west-1".into()), ..Answer::default() };
        let text = answer.into_refusal(Verb::Get, "us-east-1").to_string();
        assert_eq!(text, "the bucket is in the region eu-west-1, not in us-east-1");
        let words = "The authorization header is malformed; the region 'us-east-1' is wrong; expecting 'eu-north-1'";
        assert_eq!(region_in(words).as_deref(), Some("eu-north-1"));
        assert_eq!(region_in("nothing"), None);
    }

    #[test]
    fn a_missing_right_names_the_action_and_a_wrong_clock_both_times() {
        assert!(refusal(403, "AccessDenied").to_string().contains("s3:GetObject"));
        let date = Some("Fri, 20 Nov 2026 07:00:00 GMT".to_owned());
        let answer = Answer { status: 403, code: "RequestTimeTooSkewed".into(), date, ..Answer::default() };
        let text = answer.into_refusal(Verb::Get, "us-east-1").to_string();
        assert!(text.contains("20 Nov 2026 07:00:00 GMT") && text.matches("GMT").count() == 2, "{text}");
    }

    #[test]
    fn a_profile_that_has_no_keys_is_no_reason_to_set_variables() {
        let error = || -> Cause { Box::new(CredentialsError::not_loaded("nothing there")) };
        let of = |looked_at: &str| Unanswered::unreachable(error()).into_refusal(looked_at).remedy();
        assert!(of("the profile \"nope\" of ~/.aws/config").contains("profile=NAME names"));
        assert!(of("the environment").contains("AWS_ACCESS_KEY_ID"));
    }

    #[test]
    fn causes_are_found_inside_of_io_errors() {
        let tls = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let error: Cause = Box::new(io::Error::new(io::ErrorKind::InvalidData, tls));
        assert!(matches!(Unanswered::unreachable(error), Unanswered::Blocked(Obstacle::Untrusted, _)));
        let damaged: Cause = Box::new(io::Error::other(rustls::Error::DecryptError));
        assert!(
            matches!(Unanswered::unreachable(damaged), Unanswered::Unreachable(_)),
            "no word about whom we speak to"
        );
        let none: Cause = Box::new(io::Error::other(CredentialsError::not_loaded("nothing there")));
        assert!(matches!(Unanswered::unreachable(none), Unanswered::Credentials { is_final: true, .. }));
        let later: Cause = Box::new(CredentialsError::provider_error("503"));
        assert!(matches!(Unanswered::unsendable(later), Unanswered::Credentials { is_final: false, .. }));
        let refused: Cause = Box::new(io::Error::from(io::ErrorKind::ConnectionRefused));
        assert!(matches!(Unanswered::unreachable(refused), Unanswered::Unreachable(_)));
    }
}
