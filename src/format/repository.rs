//! `rozen.json` and `machine.json`: what a repository and a machine are, signed by the admin key.
//!
//! JSON, so that a person with a text editor sees what lies there. The signed text is a string inside the JSON,
//! so that no reader needs to agree on white space.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::FormatError;
use crate::chunk::ChunkLimits;
use crate::crypto::{self, SigningKey, VerifyingKey};

const VERSION: u16 = 1;

/// The outer form of both files.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedRecord {
    /// "rozen repository" or "rozen machine".
    pub kind: String,
    pub version: u16,
    /// The JSON text of the record.
    pub signed: String,
    /// Ed25519 by the admin key over D("rozen.v1/record", kind, signed), in hex.
    pub signature: String,
}

/// What `rozen.json` says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RepositoryRecord {
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

/// What `machines/<id>/machine.json` says: the certificate of its signing key.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MachineRecord {
    pub repository: String,
    pub machine: String,
    /// Hex.
    pub signing_public_key: String,
    pub epoch: u32,
    pub created: String,
}

/// The kind's name in the file.
pub trait Record: Serialize + DeserializeOwned {
    const KIND: &'static str;
}

impl Record for RepositoryRecord {
    const KIND: &'static str = "rozen repository";
}

impl Record for MachineRecord {
    const KIND: &'static str = "rozen machine";
}

impl SignedRecord {
    pub fn sign<R: Record>(record: &R, admin: &SigningKey) -> Vec<u8> {
        let signed = serde_json::to_string(record).expect("records hold only strings and numbers");
        let signature = admin.sign(&signed_text(R::KIND, &signed));
        let record =
            SignedRecord { kind: R::KIND.into(), version: VERSION, signed, signature: crypto::hex(&signature) };
        let mut text = serde_json::to_vec_pretty(&record).expect("records hold only strings and numbers");
        text.push(b'\n');
        text
    }

    /// Checks kind and version, not yet the signature: [`SignedRecord::verify`].
    pub fn parse<R: Record>(bytes: &[u8]) -> Result<Self, FormatError> {
        let record: SignedRecord =
            serde_json::from_slice(bytes).map_err(|_| FormatError::Damaged("it is not the JSON of a signed record"))?;
        if record.kind != R::KIND {
            return Err(FormatError::Magic { expected: R::KIND, magic: R::KIND });
        }
        if record.version != VERSION {
            return Err(FormatError::Newer { expected: R::KIND, found: record.version, known: VERSION });
        }
        Ok(record)
    }

    /// What it says, without trusting it: for showing, and for reading the admin key when nothing is pinned.
    pub fn claims<R: Record>(&self) -> Result<R, FormatError> {
        serde_json::from_str(&self.signed).map_err(|_| FormatError::Damaged("the signed text is not the expected JSON"))
    }

    pub fn verify<R: Record>(&self, admin: &VerifyingKey) -> Result<R, FormatError> {
        let signature =
            crypto::unhex(&self.signature).ok_or(FormatError::Damaged("its signature is not hexadecimal"))?;
        admin.verify(&signed_text(R::KIND, &self.signed), &signature)?;
        self.claims()
    }
}

fn signed_text(kind: &str, signed: &str) -> Vec<u8> {
    crypto::fields("rozen.v1/record", &[kind.as_bytes(), signed.as_bytes()])
}
