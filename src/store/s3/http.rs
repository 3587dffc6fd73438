//! The HTTP client: TLS with the system's certificates and those that were given, proxies of the environment.

use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_sdk_s3::config::SharedHttpClient;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::client::http::HttpConnectorSettings;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::store::StoreError;

pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Where AWS's programs look for certificates to trust.
const CA_BUNDLE: &str = "AWS_CA_BUNDLE";

/// Certificates of `ca` and of the environment's `AWS_CA_BUNDLE` are trusted beside the system's.
pub(super) fn client(ca: Option<&Path>) -> Result<SharedHttpClient, StoreError> {
    let bundle = std::env::var_os(CA_BUNDLE).filter(|path| !path.is_empty()).map(PathBuf::from);
    trusting(ca.into_iter().chain(bundle.as_deref()))
}

fn trusting<'a>(files: impl Iterator<Item = &'a Path>) -> Result<SharedHttpClient, StoreError> {
    let mut trusted = TrustStore::default();
    for path in files {
        trusted.add_pem_certificate(checked_pem(path)?);
    }
    let tls = TlsContext::builder().with_trust_store(trusted).build().expect("certificates were checked above");
    Ok(Builder::new().build_with_connector_fn(move |settings, _| {
        // the limits of the SDK's caller where it has some (the metadata service), ours elsewhere
        let limits = settings.filter(|settings| settings.connect_timeout().is_some()).cloned().unwrap_or_else(limits);
        Connector::builder()
            .connector_settings(limits)
            .proxy_config(ProxyConfig::from_env())
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .tls_context(tls.clone())
            .build()
    }))
}

/// For services of this very machine, which no proxy can reach: without proxies, and without TLS.
pub(super) fn local_client() -> SharedHttpClient {
    Builder::new().build_with_connector_fn(|settings, _| {
        let limits = settings.cloned().unwrap_or_else(limits);
        Connector::builder().connector_settings(limits).proxy_config(ProxyConfig::disabled()).build_http()
    })
}

fn limits() -> HttpConnectorSettings {
    HttpConnectorSettings::builder().connect_timeout(CONNECT_TIMEOUT).build()
}

/// The client would panic over a file that is no certificate.
fn checked_pem(path: &Path) -> Result<Vec<u8>, StoreError> {
    let pem = std::fs::read(path)
        .map_err(|source| StoreError::Certificates { path: path.to_path_buf(), reason: source.to_string() })?;
    let refused = |reason: String| StoreError::Certificates { path: path.to_path_buf(), reason };
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| refused(error.to_string()))?;
        store.add(certificate).map_err(|error| refused(error.to_string()))?;
    }
    match store.is_empty() {
        true => Err(refused("it holds no certificate in PEM".to_owned())),
        false => Ok(pem),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_no_certificate_is_refused_before_it_is_used() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ca.pem");
        assert!(matches!(client(Some(&path)), Err(StoreError::Certificates { .. })));
        for text in ["", "hello", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            std::fs::write(&path, text).unwrap();
            assert!(matches!(client(Some(&path)), Err(StoreError::Certificates { .. })), "{text:?}");
        }
    }
}
