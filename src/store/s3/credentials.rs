//! Where keys come from, and asking again when they run out. There is no way to go without: nothing anonymous.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::imds;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{Result as Provided, SharedCredentialsProvider, future};
use aws_sdk_s3::config::{Credentials, ProvideCredentials, Region};
use tokio::sync::Mutex;

use super::address::S3Address;
use super::answer::find;
use super::key_file::KeyFileError;
use super::refusal::{Cause, S3Refusal};
use super::{http, key_file};
use crate::clock::Clock;
use crate::model::with_causes;

/// Keys are exchanged this long before they expire: a request with a large body takes its time.
const BEFORE_EXPIRY: Duration = Duration::from_secs(300);

/// The metadata service of a cloud machine answers at once; elsewhere nobody does.
const METADATA_TIMEOUT: Duration = Duration::from_secs(1);

/// How the place begins that is named for one profile.
const PROFILE: &str = "the profile ";

/// Credentials of one target, kept until they expire or the target refuses them. Clones share them.
#[derive(Clone)]
pub(super) struct Keyring {
    source: Source,
    kept: Arc<Mutex<Option<Credentials>>>,
}

#[derive(Clone)]
enum Source {
    File { path: PathBuf, profile: String },
    Provider { provider: SharedCredentialsProvider, looked_at: String },
}

impl Keyring {
    /// Asks nobody yet.
    pub(super) async fn new(address: &S3Address, region: &str, config: &ProviderConfig) -> Self {
        let source = match (&address.credentials, &address.profile) {
            (Some(path), profile) => {
                Source::File { path: path.clone(), profile: profile.clone().unwrap_or_else(|| "default".to_owned()) }
            }
            (None, Some(profile)) => of_profile(profile, config),
            (None, None) => usual(region, config).await,
        };
        Self { source, kept: Arc::default() }
    }

    /// The target refused them: the next request asks anew.
    pub(super) async fn forget(&self) {
        *self.kept.lock().await = None;
    }

    /// For a message: everything that was asked.
    pub(super) fn looked_at(&self) -> String {
        match &self.source {
            Source::File { path, .. } => format!("the file {}", path.display()),
            Source::Provider { looked_at, .. } => looked_at.clone(),
        }
    }

    async fn current(&self) -> Provided {
        let mut kept = self.kept.lock().await;
        if let Some(credentials) = kept.as_ref().filter(|credentials| is_fresh(credentials, now())) {
            return Ok(credentials.clone());
        }
        let credentials = self.ask().await?;
        *kept = Some(credentials.clone());
        Ok(credentials)
    }

    async fn ask(&self) -> Provided {
        match &self.source {
            Source::File { path, profile } => from_file(path, profile),
            Source::Provider { provider, .. } => provider.provide_credentials().await,
        }
    }
}

fn from_file(path: &Path, profile: &str) -> Provided {
    let keys = key_file::read(path, profile).map_err(CredentialsError::invalid_configuration)?;
    let token = keys.token.map(|token| token.to_string());
    Ok(Credentials::new(keys.id, keys.secret.as_str(), token, None, "file"))
}

/// Named by the person: nothing else is asked.
fn of_profile(profile: &str, config: &ProviderConfig) -> Source {
    let provider = ProfileFileCredentialsProvider::builder().configure(config).profile_name(profile).build();
    Source::Provider {
        provider: SharedCredentialsProvider::new(provider),
        looked_at: format!("{PROFILE}{profile:?} of ~/.aws/config and ~/.aws/credentials"),
    }
}

async fn usual(region: &str, config: &ProviderConfig) -> Source {
    let metadata = imds::Client::builder()
        .configure(&config.clone().with_http_client(http::local_client()))
        .max_attempts(1)
        .connect_timeout(METADATA_TIMEOUT)
        .read_timeout(METADATA_TIMEOUT)
        .build();
    let chain = DefaultCredentialsChain::builder().configure(config.clone()).imds_client(metadata);
    // named here, or the chain would ask the metadata service for it
    let chain = chain.region(Region::new(region.to_owned())).build().await;
    let looked_at = "the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY), the profile of AWS_PROFILE in \
                     ~/.aws/config and ~/.aws/credentials, AWS_WEB_IDENTITY_TOKEN_FILE, the container's credentials and the \
                     metadata service of EC2";
    Source::Provider { provider: SharedCredentialsProvider::new(chain), looked_at: looked_at.to_owned() }
}

/// Why there are no keys, in the words of whoever has to mend it. `is_final`: asking again gives the same.
pub(super) fn refusal(source: Cause, is_final: bool, looked_at: &str) -> S3Refusal {
    let said = with_causes(&*source);
    let looked_at = looked_at.to_owned();
    let is_profile = looked_at.starts_with(PROFILE);
    let profile = || if is_profile { looked_at.clone() } else { usual_profile() };
    if said.contains("external process") {
        return S3Refusal::CredentialProcess { profile: profile(), source };
    }
    if said.contains("cargo feature") {
        return S3Refusal::ProfileOfSso { profile: profile() };
    }
    match is_final {
        true if find::<KeyFileError>(&*source).is_some() => S3Refusal::BadKeyFile { looked_at, source },
        true if is_profile => S3Refusal::BadProfile { looked_at, source },
        true => S3Refusal::NoCredentials { looked_at, source },
        false => S3Refusal::CredentialsFailed { looked_at, source },
    }
}

/// The one that the chain looks at.
fn usual_profile() -> String {
    let name = std::env::var("AWS_PROFILE").unwrap_or_else(|_| "default".to_owned());
    format!("{PROFILE}{name:?} of ~/.aws/config")
}

fn is_fresh(credentials: &Credentials, now: SystemTime) -> bool {
    credentials.expiry().is_none_or(|expiry| now + BEFORE_EXPIRY < expiry)
}

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(Clock::system().wall().secs.try_into().unwrap_or(0))
}

impl ProvideCredentials for Keyring {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.current())
    }
}

/// Without the keys.
impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyring({})", self.looked_at())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_exchanged_before_they_expire() {
        let at = |secs| UNIX_EPOCH + Duration::from_secs(secs);
        let keys = |expiry| Credentials::new("id", "secret", None, expiry, "test");
        assert!(is_fresh(&keys(None), at(0)));
        assert!(is_fresh(&keys(Some(at(1000))), at(699)));
        assert!(!is_fresh(&keys(Some(at(1000))), at(700)));
    }
}
