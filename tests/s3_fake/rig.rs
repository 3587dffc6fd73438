//! A server, the client of AWS, and a runtime to wait in.

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation,
    StalledStreamProtectionConfig,
};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;

use super::s3fake::{ACCESS_KEY, Control, S3Fake, SECRET_KEY, Settings, User};

pub const BUCKET: &str = "bucket";
/// Small parts and pages, so that a few bytes show what many would.
pub const MIN_PART: usize = 64 << 10;

pub struct Rig {
    pub server: S3Fake,
    pub client: Client,
    runtime: tokio::runtime::Runtime,
}

impl Rig {
    /// With a plain bucket.
    pub fn new() -> Self {
        let server = S3Fake::start();
        server.settings(Settings { min_part_bytes: MIN_PART as u64, page: 2, ..Settings::default() });
        server.make_bucket(BUCKET);
        let client = client(&server.endpoint(), ACCESS_KEY, SECRET_KEY);
        Self { server, client, runtime: runtime() }
    }

    pub fn run<T>(&self, request: impl Future<Output = T>) -> T {
        self.runtime.block_on(request)
    }

    pub fn put(&self, key: &str, bytes: &[u8]) {
        let body = ByteStream::from(bytes.to_vec());
        self.run(self.client.put_object().bucket(BUCKET).key(key).body(body).send()).unwrap();
    }

    /// A put that creates, or the code of its refusal.
    pub fn put_if_absent(&self, key: &str, bytes: &[u8]) -> Result<(), String> {
        let put = self.client.put_object().bucket(BUCKET).key(key).if_none_match("*");
        self.run(put.body(ByteStream::from(bytes.to_vec())).send()).map(drop).map_err(code)
    }

    pub fn get(&self, key: &str) -> Result<Vec<u8>, String> {
        self.run(async {
            let got = self.client.get_object().bucket(BUCKET).key(key).send().await.map_err(code)?;
            got.body.collect().await.map(|bytes| bytes.to_vec()).map_err(|_| "broken".to_owned())
        })
    }

    /// A client with the policies of a user of its own.
    pub fn user(&self, policies: Vec<serde_json::Value>) -> Client {
        let (access_key, secret_key) = ("AKIAUSER".to_owned(), "user's secret".to_owned());
        let user = User { access_key, secret_key, name: "uploader".to_owned(), policies, expired: false };
        self.server.add_user(user);
        client(&self.server.endpoint(), "AKIAUSER", "user's secret")
    }
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Tries nothing twice and sends no checksum by itself.
pub fn client(endpoint: &str, access_key: &str, secret_key: &str) -> Client {
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .region(Region::new("us-east-1"))
        .endpoint_url(endpoint)
        .force_path_style(true)
        .credentials_provider(Credentials::new(access_key, secret_key, None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
        .build();
    Client::from_conf(config)
}

/// The code of S3, or what kind of failure it was.
pub fn code<E: ProvideErrorMetadata, R>(error: SdkError<E, R>) -> String {
    let kind = match &error {
        SdkError::ServiceError(_) => "service",
        SdkError::DispatchFailure(_) => "dispatch",
        SdkError::ResponseError(_) => "response",
        _ => "other",
    };
    error.code().unwrap_or(kind).to_owned()
}
