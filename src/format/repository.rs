//! `rozen.json`: what a repository is, signed by the admin key.
//!
//! JSON, so that a person with a text editor sees what lies there. The signed text is a string inside the JSON, so that no
//! reader needs to agree on white space. The version is inside what is signed: a newer repository is told from a damaged
//! one, which can be read without this object.

use serde::{Deserialize, Serialize};

use super::FormatError;
use crate::chunk::ChunkLimits;
use crate::crypto::{self, SigningKey, VerifyingKey};

const VERSION: u16 = 1;
const KIND: &str = "rozen repository";

/// The outer form; it is the same in all versions.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SignedRecord {
    /// "rozen repository".
    kind: String,
    /// The JSON text of the record.
    signed: String,
    /// Ed25519 by the admin key over D("rozen.v1/record", kind, signed), in hex.
    signature: String,
}

/// What it says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RepositoryRecord {
    pub version: u16,
    pub repository: String,
    pub suite: u8,
    pub epoch: u32,
    /// Hex.
    pub content_public_key: String,
    /// Hex.
    pub admin_public_key: String,
    pub chunker: ChunkLimits,
    /// Features that a reader must know; none so far.
    pub required_features: Vec<String>,
    /// RFC 3339, for people.
    pub created: String,
}

/// What every version says.
#[derive(Deserialize)]
struct AnyVersion {
    version: u16,
    admin_public_key: String,
}

impl RepositoryRecord {
    pub const VERSION: u16 = VERSION;

    pub fn sign(&self, admin: &SigningKey) -> Vec<u8> {
        let signed = serde_json::to_string(self).expect("records hold only strings and numbers");
        let signature = crypto::hex(&admin.sign(&signed_text(&signed)));
        let record = SignedRecord { kind: KIND.into(), signed, signature };
        let mut text = serde_json::to_vec_pretty(&record).expect("records hold only strings and numbers");
        text.push(b'\n');
        text
    }
}

impl SignedRecord {
    /// Checks the form, not yet the signature: [`SignedRecord::verify`].
    pub fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        let record: SignedRecord =
            serde_json::from_slice(bytes).map_err(|_| FormatError::Damaged("it is not the JSON of a signed record"))?;
        match record.kind == KIND {
            true => Ok(record),
            false => Err(FormatError::Magic { expected: KIND, magic: KIND }),
        }
    }

    /// What it says, without trusting it: for showing.
    pub fn claims(&self) -> Result<RepositoryRecord, FormatError> {
        serde_json::from_str(&self.signed).map_err(|_| FormatError::Damaged("the signed text is not the expected JSON"))
    }

    /// Nothing is said of the version before the signature was found right.
    pub fn verify(&self, admin: &VerifyingKey) -> Result<RepositoryRecord, FormatError> {
        let signature =
            crypto::unhex(&self.signature).ok_or(FormatError::Damaged("its signature is not hexadecimal"))?;
        admin.verify(&signed_text(&self.signed), &signature)?;
        match self.any_version() {
            Some(AnyVersion { version, .. }) if version != VERSION => {
                Err(FormatError::Newer { expected: KIND, found: version, known: VERSION })
            }
            _ => self.claims(),
        }
    }

    /// It is whole, and was signed with the key that it names itself.
    pub fn is_intact(&self) -> bool {
        let key = self.any_version().and_then(|record| crypto::unhex(&record.admin_public_key));
        let verified = key.and_then(|bytes| VerifyingKey::from_slice(&bytes)).map(|key| self.verify(&key));
        matches!(verified, Some(Ok(_) | Err(FormatError::Newer { .. })))
    }

    fn any_version(&self) -> Option<AnyVersion> {
        serde_json::from_str(&self.signed).ok()
    }
}

fn signed_text(signed: &str) -> Vec<u8> {
    crypto::fields("rozen.v1/record", &[KIND.as_bytes(), signed.as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::RecoverySecret;

    fn record(version: u16, secret: &RecoverySecret) -> SignedRecord {
        let record = RepositoryRecord {
            version,
            repository: "00".repeat(16),
            suite: 1,
            epoch: 1,
            content_public_key: String::new(),
            admin_public_key: crypto::hex(secret.admin_signing().verifying().as_bytes()),
            chunker: ChunkLimits::DEFAULT,
            required_features: vec![],
            created: "now".into(),
        };
        SignedRecord::parse(&record.sign(&secret.admin_signing())).unwrap()
    }

    #[test]
    fn a_newer_record_is_told_from_one_whose_version_was_altered() {
        let secret = RecoverySecret::generate();
        let admin = secret.admin_signing().verifying();
        assert!(record(1, &secret).verify(&admin).is_ok());
        let newer = record(2, &secret);
        assert!(matches!(newer.verify(&admin), Err(FormatError::Newer { found: 2, known: 1, .. })));
        assert!(newer.is_intact());
        let mut altered = record(1, &secret);
        altered.signed = altered.signed.replace("\"version\":1", "\"version\":3");
        assert!(matches!(altered.verify(&admin), Err(FormatError::Crypto(_))));
        assert!(!altered.is_intact());
    }

    #[test]
    fn a_record_of_another_secret_is_intact_and_does_not_verify() {
        let (own, other) = (RecoverySecret::generate(), RecoverySecret::generate());
        let record = record(1, &other);
        assert!(record.is_intact() && record.verify(&own.admin_signing().verifying()).is_err());
    }
}
