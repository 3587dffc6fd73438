//! What a bucket answers when it does not do what it was asked, and what a person can do about it.

use std::error::Error;
use std::time::Duration;

use crate::store::Disposition;

type Cause = Box<dyn Error + Send + Sync + 'static>;

/// Why a request to a bucket did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum S3Refusal {
    #[error("there is no such bucket")]
    NoSuchBucket,
    /// `right`: where the target says so.
    #[error("{}", elsewhere(used, right.as_deref()))]
    WrongRegion { used: String, right: Option<String> },
    #[error("the credentials do not allow {action} ({message})")]
    AccessDenied { action: &'static str, message: String },
    #[error("the target does not know this access key id")]
    UnknownKey,
    #[error("the secret key does not belong to the access key id (SignatureDoesNotMatch)")]
    WrongSecret,
    #[error("the credentials have expired, also after they were asked for again")]
    Expired,
    #[error("no credentials were found; looked at {looked_at}")]
    NoCredentials { looked_at: String, source: Cause },
    /// That of `credentials=FILE`; the source says what is wrong with it.
    #[error("no credentials were found; looked at {looked_at}")]
    BadKeyFile { looked_at: String, source: Cause },
    /// That of `profile=NAME`.
    #[error("no credentials were found; looked at {looked_at}")]
    BadProfile { looked_at: String, source: Cause },
    #[error("the credentials could not be had from {looked_at}")]
    CredentialsFailed { looked_at: String, source: Cause },
    #[error("the clocks differ too much: this machine says {ours}, the target {theirs}")]
    ClockSkew { ours: String, theirs: String },
    #[error("the target is busy or failing: {}", answered(*status, code, message))]
    Busy { status: u16, code: String, message: String },
    #[error("the archive has no room for what is to come at this speed ({message})")]
    TierBusy { message: String },
    #[error("the bytes were damaged on their way ({code})")]
    DamagedOnTheWay { code: String },
    #[error("the target is full: {code} ({message})")]
    Full { code: String, message: String },
    #[error("nothing moved for {} s", .0.as_secs())]
    TimedOut(Duration),
    #[error("the target cannot be reached")]
    Unreachable { source: Cause },
    #[error("the connection is not trusted")]
    Untrusted { source: Cause },
    #[error("the certificate that the server shows is an authority's own, which cannot stand for a server")]
    AuthorityAsServer { source: Cause },
    #[error("what answers there speaks no TLS")]
    NoTls { source: Cause },
    #[error("the proxy wants a name and a password: {proxy}")]
    ProxyWantsLogin { proxy: String },
    #[error("the proxy is of a kind that is not known: {proxy}")]
    ProxyKind { proxy: String, source: Cause },
    #[error("the answer cannot be understood: {0}")]
    Garbled(String),
    #[error("the request cannot be sent")]
    Unsendable { source: Cause },
    #[error("the target does not offer this: {}", answered(*status, code, message))]
    NotOffered { status: u16, code: String, message: String },
    #[error("the target says that the parts together are not what was sent ({code})")]
    WholeDiffers { code: String },
    #[error("the target answered {}", answered(*status, code, message))]
    Refused { status: u16, code: String, message: String },
}

fn elsewhere(used: &str, right: Option<&str>) -> String {
    match right {
        Some(right) => format!("the bucket is in the region {right}, not in {used}"),
        None => format!(
            "the bucket is not in the region {used}, or not at this endpoint; the target does not say where it is"
        ),
    }
}

/// What answers in a target's place may have neither code nor message.
fn answered(status: u16, code: &str, message: &str) -> String {
    let code = if code.is_empty() { String::new() } else { format!(" {code}") };
    let message = if message.is_empty() { String::new() } else { format!(" ({message})") };
    format!("{status}{code}{message}")
}

impl S3Refusal {
    pub fn disposition(&self) -> Disposition {
        match self {
            S3Refusal::ClockSkew { .. }
            | S3Refusal::Busy { .. }
            | S3Refusal::DamagedOnTheWay { .. }
            | S3Refusal::TimedOut(_)
            | S3Refusal::Unreachable { .. }
            | S3Refusal::NoTls { .. }
            | S3Refusal::Garbled(_)
            | S3Refusal::CredentialsFailed { .. } => Disposition::Retry,
            S3Refusal::AccessDenied { .. }
            | S3Refusal::UnknownKey
            | S3Refusal::WrongSecret
            | S3Refusal::Expired
            | S3Refusal::BadKeyFile { .. }
            | S3Refusal::BadProfile { .. }
            | S3Refusal::NoCredentials { .. } => Disposition::Denied,
            S3Refusal::Full { .. } => Disposition::Full,
            S3Refusal::NoSuchBucket
            | S3Refusal::WrongRegion { .. }
            // not for the few seconds of a retry; whoever begins again later asks again
            | S3Refusal::Untrusted { .. }
            | S3Refusal::AuthorityAsServer { .. }
            | S3Refusal::ProxyWantsLogin { .. }
            | S3Refusal::ProxyKind { .. }
            | S3Refusal::WholeDiffers { .. }
            | S3Refusal::TierBusy { .. }
            | S3Refusal::Unsendable { .. }
            | S3Refusal::NotOffered { .. }
            | S3Refusal::Refused { .. } => Disposition::Permanent,
        }
    }

    pub fn remedy(&self) -> &'static str {
        match self {
            S3Refusal::NoSuchBucket => {
                "Check the bucket's name and the endpoint; `rozenctl target create` makes a bucket with the right settings."
            }
            S3Refusal::WrongRegion { right: Some(_), .. } => {
                "Put region=… with the region that the message names into the target's URL."
            }
            S3Refusal::WrongRegion { right: None, .. } => {
                "Find out the bucket's region and endpoint, and put region=… and endpoint=… into the target's URL."
            }
            S3Refusal::AccessDenied { .. } => {
                "A machine needs what docs/targets.md lists for its backups: allow it in the policy of these credentials. To recover, restore or \
                 check, use an administrator's credentials instead."
            }
            S3Refusal::UnknownKey | S3Refusal::WrongSecret => {
                "Check the keys (environment, profile, or the file of credentials=) and that they belong to this endpoint."
            }
            S3Refusal::Expired => "Log in again, or let the program that makes the credentials make new ones.",
            S3Refusal::BadKeyFile { .. } => {
                "Mend the file that credentials= in the target's URL names; nothing else is asked for keys."
            }
            S3Refusal::NoCredentials { .. } => {
                "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, use profile=NAME, or credentials=FILE for a service."
            }
            S3Refusal::BadProfile { .. } => {
                "Check the profile that profile=NAME names in the target's URL: `aws configure list-profiles` shows those that there are; \
                 nothing else is asked for keys."
            }
            S3Refusal::CredentialsFailed { .. } => {
                "Look at the source of the credentials. An agent asks it again by itself; a command is run again."
            }
            S3Refusal::ClockSkew { .. } => "Set the clock of this machine (turn on time synchronisation).",
            S3Refusal::Busy { .. } | S3Refusal::DamagedOnTheWay { .. } | S3Refusal::Garbled(_) => {
                "An agent tries again by itself; a command is run again. If it stays, ask those who run the target."
            }
            S3Refusal::TierBusy { .. } => {
                "Choose another --tier: standard or bulk. What was asked for already is not asked for again."
            }
            S3Refusal::Full { .. } => {
                "Raise the quota of the bucket or the account. An agent then goes on by itself; a command is run again."
            }
            S3Refusal::TimedOut(_) | S3Refusal::Unreachable { .. } => {
                "Check the network, the endpoint and the proxy (HTTPS_PROXY, NO_PROXY). An agent tries again by itself; a command is run again."
            }
            S3Refusal::Untrusted { .. } => {
                "Check the clock, and whether this network answers in the target's place (a login page). An agent tries again by itself; a \
                 command is run again. If the target has a certificate of your own, give its authority: …&ca=/path/to/ca.pem"
            }
            S3Refusal::AuthorityAsServer { .. } => {
                "Make the server a certificate that says CA:FALSE, signed by an authority of your own, and give that authority's with …&ca=FILE: \
                 docs/targets.md (\"A certificate of your own\") has the commands."
            }
            S3Refusal::NoTls { .. } => {
                "If the server speaks plain http, write endpoint=http://… into the target's URL. Else look whether this network answers in its \
                 place. An agent tries again by itself; a command is run again."
            }
            S3Refusal::ProxyWantsLogin { .. } => {
                "Write both into the variable (HTTPS_PROXY=http://NAME:PASSWORD@HOST:PORT), or leave the proxy out for this target with NO_PROXY."
            }
            S3Refusal::ProxyKind { .. } => {
                "Use a proxy that speaks http (HTTPS_PROXY=http://HOST:PORT), or leave it out for this target with NO_PROXY."
            }
            S3Refusal::Unsendable { .. } => "Check the endpoint in the target's URL.",
            S3Refusal::NotOffered { .. } => {
                "Use a target that offers this; for one that refuses If-None-Match, add conditional=no to its URL."
            }
            S3Refusal::WholeDiffers { .. } => {
                "The next backup sends it again. If it stays, the server sums up whole objects in another way: write checksum=md5 into its URL."
            }
            S3Refusal::Refused { .. } => "Look the answer up in the documentation of the target.",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remedies_are_written_without_gaps() {
        let denied = S3Refusal::AccessDenied { action: "s3:GetObject", message: String::new() };
        assert!(!denied.remedy().contains("  "), "{}", denied.remedy());
    }

    #[test]
    fn who_has_given_up_is_not_told_that_it_is_tried_again() {
        let passing = [
            S3Refusal::Busy { status: 503, code: String::new(), message: String::new() },
            S3Refusal::Garbled(String::new()),
            S3Refusal::TimedOut(Duration::ZERO),
            S3Refusal::Unreachable { source: "x".into() },
            S3Refusal::Untrusted { source: "x".into() },
            S3Refusal::NoTls { source: "x".into() },
            S3Refusal::CredentialsFailed { looked_at: String::new(), source: "x".into() },
            S3Refusal::Full { code: String::new(), message: String::new() },
        ];
        for refusal in passing {
            let remedy = refusal.remedy();
            assert!(remedy.contains("a command is run again") && !remedy.contains("Nothing to do"), "{remedy}");
        }
    }

    #[test]
    fn an_answer_that_says_nothing_is_told_by_its_status_alone() {
        let refused = |code: &str, message: &str| {
            S3Refusal::Refused { status: 302, code: code.to_owned(), message: message.to_owned() }.to_string()
        };
        assert_eq!(refused("", ""), "the target answered 302");
        assert_eq!(refused("Found", "elsewhere"), "the target answered 302 Found (elsewhere)");
    }
}
