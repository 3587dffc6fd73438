//! [`Fake`]: the server's state behind its lock, and the files with the bytes.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};

use s3s::{S3Result, s3_error};
use tokio::sync::Notify;

use super::count::Counts;
use super::disk::{Row, State};
use super::fault::Faults;
use super::state::{Blob, Bucket, Key};

pub struct Fake {
    state: Mutex<State>,
    faults: Mutex<Faults>,
    counts: Mutex<Counts>,
    /// Told to requests that are held for so long.
    pub cleared: Notify,
    blobs: PathBuf,
    next_blob: AtomicU64,
}

impl Fake {
    /// Continues what the directory holds.
    pub fn open(dir: &Path) -> io::Result<Self> {
        let state = State::open(dir)?;
        let blobs = dir.join("blobs");
        fs::create_dir_all(&blobs)?;
        let next_blob = AtomicU64::new(sweep(&blobs, &state)?);
        let (faults, counts) = (Mutex::default(), Mutex::default());
        let cleared = Notify::new();
        Ok(Self { state: Mutex::new(state), faults, counts, cleared, blobs, next_blob })
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no request panics while it holds the state")
    }

    pub fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().expect("rules do not panic")
    }

    pub fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().expect("counting does not panic")
    }

    pub fn new_blob(&self) -> io::Result<(Blob, File)> {
        let file = self.next_blob.fetch_add(1, Ordering::Relaxed).to_string();
        let opened = File::create_new(self.blobs.join(&file))?;
        Ok((Blob { file, size: 0 }, opened))
    }

    pub fn path(&self, blob: &Blob) -> PathBuf {
        self.blobs.join(&blob.file)
    }

    /// For bytes that were of a version, where no copy of it shares them.
    pub fn release(&self, blobs: &[Blob]) {
        if blobs.is_empty() {
            return;
        }
        let state = self.state();
        let needed: BTreeSet<&str> = state.blobs().collect();
        self.discard(blobs.iter().filter(|blob| !needed.contains(blob.file.as_str())));
    }

    /// For bytes that nothing refers to; a reader that has the file open still gets them.
    pub fn discard<'a>(&self, blobs: impl IntoIterator<Item = &'a Blob>) {
        for blob in blobs {
            // what is left is removed at the next start
            let _ = fs::remove_file(self.path(blob));
        }
    }
}

/// Removes files that nothing refers to; returns a number that no file has.
fn sweep(blobs: &Path, state: &State) -> io::Result<u64> {
    let needed: BTreeSet<&str> = state.blobs().collect();
    let mut next = 0;
    for entry in fs::read_dir(blobs)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_str().expect("we name the files");
        match needed.contains(name) {
            true => next = next.max(name.parse::<u64>().expect("we name the files") + 1),
            false => fs::remove_file(entry.path())?,
        }
    }
    Ok(next)
}

impl State {
    pub fn bucket(&self, name: &str) -> S3Result<&Bucket> {
        self.buckets.get(name).ok_or_else(|| s3_error!(NoSuchBucket, "there is no bucket {name}"))
    }

    /// Stores a bucket with something changed.
    pub fn change_bucket(&mut self, name: &str, change: impl FnOnce(&mut Bucket)) -> S3Result<()> {
        let mut bucket = self.bucket(name)?.clone();
        change(&mut bucket);
        self.commit(vec![Row::Bucket(name.to_owned(), Some(Box::new(bucket)))]);
        Ok(())
    }

    /// A copy to change; empty where there is none.
    pub fn key(&self, bucket: &str, key: &str) -> Key {
        self.keys.get(&(bucket.to_owned(), key.to_owned())).cloned().unwrap_or_default()
    }

    /// Bytes that a write of the key makes unreachable: those of the version with the id that the new one gets.
    pub fn replaced(&self, bucket: &str, key: &str) -> Vec<Blob> {
        if self.buckets.get(bucket).is_none_or(Bucket::is_versioned) {
            return Vec::new();
        }
        let row = self.key(bucket, key);
        row.versions.into_iter().filter(|version| version.id == "null").flat_map(|version| version.blobs).collect()
    }
}
