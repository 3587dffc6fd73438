//! One request about a bucket, and what a refusal means.

use std::error::Error;
use std::future::Future;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use crate::bucket::{Fact, Outcome, Place};
use crate::store::{S3Client, Verb};

/// No question here has a long answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// A bucket that can be asked.
pub(in crate::bucket) struct Ask<'a> {
    pub(in crate::bucket) client: &'a S3Client,
    pub(in crate::bucket) place: Place,
}

/// Why a request did not succeed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::bucket) struct Refusal {
    /// 0: there was no answer.
    pub(in crate::bucket) status: u16,
    /// Empty where the answer has none.
    pub(in crate::bucket) code: String,
    /// For people.
    pub(in crate::bucket) why: String,
}

impl<'a> Ask<'a> {
    pub(in crate::bucket) fn new(client: &'a S3Client) -> Self {
        let address = client.address();
        let place = Place::new(address.bucket(), address.prefix(), Some(client.region()));
        Self { client, place: place.through(address.endpoint()) }
    }

    pub(in crate::bucket) fn s3(&self) -> &Client {
        self.client.sdk()
    }

    pub(in crate::bucket) fn bucket(&self) -> &str {
        &self.place.bucket
    }

    pub(in crate::bucket) fn send<T, E>(
        &self,
        request: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> Result<T, Refusal>
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        match self.client.run(async { tokio::time::timeout(ANSWER_TIMEOUT, request).await }) {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(self.refusal(error)),
            Err(_) => {
                let why = format!("no answer within {} s", ANSWER_TIMEOUT.as_secs());
                Err(Refusal { status: 0, code: String::new(), why })
            }
        }
    }

    fn refusal<E>(&self, error: SdkError<E, HttpResponse>) -> Refusal
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let status = error.raw_response().map_or(0, |raw| raw.status().as_u16());
        // an answer that makes no sense comes from a server that did not understand the question
        let garbled = matches!(error, SdkError::ResponseError(_));
        let code = if garbled { NOT_UNDERSTOOD } else { error.code().unwrap_or_default() }.to_owned();
        let error = self.client.error(Verb::Open, "the bucket", error);
        let why = error.source().map_or_else(|| error.to_string(), ToString::to_string);
        Refusal { status, code, why }
    }
}

const NOT_UNDERSTOOD: &str = "NotUnderstood";
const NOT_SUPPORTED: [&str; 5] =
    ["NotImplemented", "MethodNotAllowed", "XNotImplemented", "UnsupportedOperation", NOT_UNDERSTOOD];
/// Of credentials that are wrong as a whole: no statement about one right.
const WRONG_CREDENTIALS: [&str; 4] =
    ["SignatureDoesNotMatch", "InvalidAccessKeyId", "ExpiredToken", "RequestTimeTooSkewed"];

impl Refusal {
    pub(in crate::bucket) fn is_forbidden(&self) -> bool {
        matches!(self.status, 401 | 403) && !WRONG_CREDENTIALS.contains(&self.code.as_str())
    }

    pub(in crate::bucket) fn is_not_supported(&self) -> bool {
        // a success that is no answer to the question: the server took it for another one
        let beside = matches!(self.status, 200..300) && self.code.is_empty();
        beside || matches!(self.status, 405 | 501) || NOT_SUPPORTED.contains(&self.code.as_str())
    }

    /// The answer to a checksum that is not that of the bytes. A completion may have begun to answer before it knows.
    pub(in crate::bucket) fn is_wrong_sum(&self) -> bool {
        self.status == 400 || self.code == "BadDigest"
    }

    /// Of a setting that was asked for with `permission`.
    pub(in crate::bucket) fn to_fact<T>(&self, permission: &'static str) -> Fact<T> {
        if self.is_forbidden() {
            Fact::NotReadable { permission }
        } else if self.is_not_supported() {
            Fact::NotSupported
        } else {
            Fact::Failed { why: self.why.clone() }
        }
    }

    /// Of something that was tried.
    pub(in crate::bucket) fn to_outcome(&self) -> Outcome {
        if self.is_forbidden() {
            Outcome::Forbidden
        } else if matches!(self.status, 409 | 412) {
            Outcome::Prevented
        } else if self.is_not_supported() {
            Outcome::NotSupported
        } else {
            Outcome::Unclear { why: self.why.clone() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(status: u16, code: &str) -> Refusal {
        Refusal { status, code: code.to_owned(), why: "words".to_owned() }
    }

    #[test]
    fn refusals_are_told_apart() {
        let unclear = Outcome::Unclear { why: "words".to_owned() };
        for (status, code, expected) in [
            (403, "AccessDenied", Outcome::Forbidden),
            (403, "", Outcome::Forbidden),
            (403, "SignatureDoesNotMatch", unclear.clone()),
            (412, "PreconditionFailed", Outcome::Prevented),
            (409, "ConditionalRequestConflict", Outcome::Prevented),
            (501, "NotImplemented", Outcome::NotSupported),
            (400, "NotImplemented", Outcome::NotSupported),
            (200, "NotUnderstood", Outcome::NotSupported),
            (200, "", Outcome::NotSupported),
            (200, "InternalError", unclear.clone()),
            (500, "InternalError", unclear.clone()),
            (404, "NoSuchBucket", unclear.clone()),
            (0, "", unclear),
        ] {
            assert_eq!(refusal(status, code).to_outcome(), expected, "{status} {code}");
        }
        assert_eq!(refusal(403, "AccessDenied").to_fact::<()>("s3:X"), Fact::NotReadable { permission: "s3:X" });
        assert_eq!(refusal(500, "").to_fact::<()>("s3:X"), Fact::Failed { why: "words".to_owned() });
    }
}
