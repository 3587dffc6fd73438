//! The driver against targets that fail, and against targets where others are at work.

mod crashes;
mod orphans;
mod parts;
mod whole;

use std::fs;
use std::path::PathBuf;

use rustix::io::Errno;

use super::*;
use crate::crypto::hash;
use crate::journal::{Journal, PackKind, PackRow};
use crate::model::StorageClass;
use crate::store::{Disposition, Moment, ObjectName, PartRules, Store, Verb};

/// A journal, a spool and a target.
struct Bench {
    dir: tempfile::TempDir,
    journal: Journal,
    store: Store,
}

impl Bench {
    fn new(store: Store) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::open(&dir.path().join("state")).unwrap();
        Self { dir, journal, store }
    }

    fn uploader(&self) -> Uploader {
        Uploader::new(self.store.clone(), self.journal.clone())
    }

    /// Spooled, with its row.
    fn pack(&self, bytes: &[u8], origin: Origin) -> SpooledObject<&'static str> {
        let path = self.dir.path().join("spooled");
        fs::write(&path, bytes).unwrap();
        let pack = pack_at(path.clone(), bytes, origin);
        let row = PackRow {
            hash: pack.hash,
            kind: PackKind::Data,
            size: pack.size,
            class: StorageClass::Standard,
            spool_path: Some(path),
        };
        self.journal.pack_spooled(&row, &[], &[]).unwrap();
        pack
    }

    fn waiting(&self) -> usize {
        self.journal.packs_spooled().unwrap().len()
    }
}

fn pack_at(path: PathBuf, bytes: &[u8], origin: Origin) -> SpooledObject<&'static str> {
    let (hash, size) = (hash(bytes), bytes.len() as u64);
    let name = ObjectName::parse(&format!("{PREFIX}packs/{hash}")).unwrap();
    SpooledObject {
        what: "pack",
        role: Role::Pack,
        name,
        class: StorageClass::Standard,
        body: Body::File { path, origin },
        size,
        hash,
    }
}

/// Of our own machine.
const PREFIX: &str = "machines/ours/";
