//! What stands in the way to a target: proxies, and certificates. Told apart by what the HTTP client and TLS say.

use std::error::Error;
use std::fmt::Write;

use rustls::{CertificateError, InvalidMessage};

/// A connection that did not come about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Obstacle {
    /// Whom the certificate names is not whom we asked for, or nobody vouches for it.
    Untrusted,
    /// The certificate is an authority's own.
    AuthorityAsServer,
    NoTls,
    /// The proxy wants a name and a password (407).
    ProxyWantsLogin,
    ProxyKind,
}

/// `None`: an outage like any other.
pub(super) fn obstacle(error: &(dyn Error + 'static), tls: Option<&rustls::Error>) -> Option<Obstacle> {
    use rustls::Error::{
        InvalidCertRevocationList, InvalidCertificate, InvalidMessage as Message, NoCertificatesPresented,
    };
    match tls {
        // the one that checks certificates does not show its own errors but by their names
        Some(InvalidCertificate(CertificateError::Other(other)))
            if format!("{other:?}").contains("CaUsedAsEndEntity") =>
        {
            Some(Obstacle::AuthorityAsServer)
        }
        Some(InvalidCertificate(_) | NoCertificatesPresented | InvalidCertRevocationList(_)) => {
            Some(Obstacle::Untrusted)
        }
        Some(Message(InvalidMessage::InvalidContentType)) => Some(Obstacle::NoTls),
        Some(_) => None,
        None => of_proxy(&chain(error)),
    }
}

/// The types of these errors are private to the client; a test holds their words.
fn of_proxy(words: &str) -> Option<Obstacle> {
    if words.contains("proxy authorization required") {
        return Some(Obstacle::ProxyWantsLogin);
    }
    words.contains("unsupported scheme").then_some(Obstacle::ProxyKind)
}

fn chain(error: &dyn Error) -> String {
    let (mut words, mut next) = (String::new(), Some(error));
    while let Some(error) = next {
        let _ = writeln!(words, "{error}");
        next = error.source();
    }
    words
}

/// The proxies that the environment names, without what logs in to them.
pub(super) fn proxies() -> String {
    named(|name| std::env::var(name).ok())
}

fn named(value: impl Fn(&str) -> Option<String>) -> String {
    let names = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];
    let found = names.iter().filter_map(|name| Some((name, value(name).filter(|value| !value.is_empty())?)));
    let shown: Vec<String> = found.map(|(name, value)| format!("{name}={}", without_login(&value))).collect();
    if shown.is_empty() { "that the environment names".to_owned() } else { shown.join(", ") }
}

fn without_login(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    if scheme.is_empty() { host.to_owned() } else { format!("{scheme}://{host}") }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use super::*;

    fn of_tls(tls: &rustls::Error) -> Option<Obstacle> {
        obstacle(&io::Error::other("x"), Some(tls))
    }

    #[test]
    fn certificates_and_lines_without_tls_are_told_apart() {
        #[derive(Debug)]
        struct CaUsedAsEndEntity;
        impl std::fmt::Display for CaUsedAsEndEntity {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("CaUsedAsEndEntity")
            }
        }
        impl Error for CaUsedAsEndEntity {}
        let own = CertificateError::Other(rustls::OtherError(Arc::new(CaUsedAsEndEntity)));
        assert_eq!(of_tls(&rustls::Error::InvalidCertificate(own)), Some(Obstacle::AuthorityAsServer));
        let unknown = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        assert_eq!(of_tls(&unknown), Some(Obstacle::Untrusted));
        assert_eq!(of_tls(&rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)), Some(Obstacle::NoTls));
        assert_eq!(of_tls(&rustls::Error::DecryptError), None);
    }

    #[test]
    fn proxies_are_named_without_what_logs_in() {
        let value = |name: &str| (name == "HTTPS_PROXY").then(|| "http://user:p@ss@proxy:3128".to_owned());
        assert_eq!(named(value), "HTTPS_PROXY=http://proxy:3128");
        assert_eq!(named(|name| (name == "http_proxy").then(|| "u:p@proxy".to_owned())), "http_proxy=proxy");
        assert_eq!(named(|_| None), "that the environment names");
    }
}
