//! What is uploaded, and the proof that it was.

use std::path::{Path, PathBuf};

use crate::model::{ObjectHash, StorageClass};
use crate::store::ObjectName;

/// What the name of an object says about its bytes, and who keeps books of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Role {
    /// Named by its hash, with a row in the journal.
    Pack,
    /// Named by its hash.
    Hashed,
    /// Named by a number (a manifest): the same name could have been taken by other bytes.
    Numbered,
}

/// Where the bytes are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Body {
    /// Complete. It is gone after the upload.
    File {
        path: PathBuf,
        origin: Origin,
    },
    Bytes(Vec<u8>),
}

/// Who wrote a spool file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    ThisProcess,
    /// It may have been cut off or altered since: verified by its hash.
    EarlierProcess,
}

/// An object that waits for its upload. `what` travels along and comes back inside of [`Durable`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SpooledObject<T> {
    pub what: T,
    pub role: Role,
    pub name: ObjectName,
    /// In which the target is to keep it.
    pub class: StorageClass,
    pub body: Body,
    /// In bytes.
    pub size: u64,
    pub hash: ObjectHash,
}

/// Proof that the target holds an object; made by [`super::Uploader`] alone.
#[derive(Debug)]
#[must_use = "what comes after must ask for the proof"]
pub struct Durable<T> {
    what: T,
    name: ObjectName,
    hash: ObjectHash,
}

impl<T> Durable<T> {
    pub(super) fn new(object: SpooledObject<T>) -> Self {
        Self { what: object.what, name: object.name, hash: object.hash }
    }

    pub fn what(&self) -> &T {
        &self.what
    }

    pub fn name(&self) -> &ObjectName {
        &self.name
    }

    pub fn hash(&self) -> ObjectHash {
        self.hash
    }
}

impl Body {
    pub(super) fn path(&self) -> Option<&Path> {
        match self {
            Body::File { path, .. } => Some(path),
            Body::Bytes(_) => None,
        }
    }
}
