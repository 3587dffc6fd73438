//! The probe objects of one check: a few bytes each, below `probe/`, with what is needed to remove them again.

use std::cell::RefCell;

use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::primitives::ByteStream;

use super::{Ask, Refusal};
use crate::bucket::{Outcome, PROBES};

/// What is stored, with its checksums as S3 writes them.
#[derive(Clone, Copy)]
pub(super) struct Content {
    pub(super) bytes: &'static [u8],
    pub(super) md5: &'static str,
    pub(super) crc32c: &'static str,
    pub(super) crc64nvme: &'static str,
}

pub(super) const FIRST: Content =
    Content { bytes: b"rozen probe\n", md5: "oGr9em41SPWv0pjVwwyRYw==", crc32c: "7dIMMQ==", crc64nvme: "XOEBOpJ5VHY=" };

/// Of another length, so that a replaced object is seen as such.
pub(super) const SECOND: Content = Content {
    bytes: b"rozen probe 2\n",
    md5: "+GcBPtl1Q9wGhg7BwC0t2A==",
    crc32c: "dV1CrQ==",
    crc64nvme: "XnWUTzn/bx0=",
};

/// `If-None-Match`
pub(super) const ONLY_IF_ABSENT: &str = "*";

pub(super) struct Probes<'a> {
    pub(super) ask: &'a Ask<'a>,
    folder: String,
    /// Every object that was made: its key, and its version where the bucket keeps versions.
    made: RefCell<Vec<(String, Option<String>)>>,
}

impl<'a> Probes<'a> {
    /// `name` is one that no other check has.
    pub(super) fn new(ask: &'a Ask<'a>, name: &str) -> Self {
        let folder = ask.place.key(&format!("{PROBES}/{name}/"));
        Self { ask, folder, made: RefCell::default() }
    }

    pub(super) fn folder(&self) -> &str {
        &self.folder
    }

    pub(super) fn key(&self, name: &str) -> String {
        format!("{}{name}", self.folder)
    }

    /// A put of `content`; a checksum is always there, as locked buckets demand one.
    pub(super) fn put(&self, key: &str, content: Content) -> PutObjectFluentBuilder {
        let put = self.ask.s3().put_object().bucket(self.ask.bucket()).key(key);
        put.body(ByteStream::from_static(content.bytes))
    }

    /// As backups make a new object: the header, unless the URL of the target says that the server does not know it.
    pub(super) fn if_new(&self) -> Option<String> {
        self.is_conditional().then(|| ONLY_IF_ABSENT.to_owned())
    }

    pub(super) fn is_conditional(&self) -> bool {
        self.ask.client.address().conditional()
    }

    /// Sends it, and remembers what it made.
    pub(super) fn send(&self, key: &str, put: PutObjectFluentBuilder) -> Result<(), Refusal> {
        let answer = self.ask.send(put.send())?;
        self.remember(key, answer.version_id);
        Ok(())
    }

    pub(super) fn remember(&self, key: &str, version: Option<String>) {
        let version = version.filter(|version| version != "null" && !version.is_empty());
        self.made.borrow_mut().push((key.to_owned(), version));
    }

    /// The first version of `key`.
    pub(super) fn version(&self, key: &str) -> Option<String> {
        self.made.borrow().iter().find(|(made, _)| made == key).and_then(|(_, version)| version.clone())
    }

    /// Removes all objects, as far as these credentials may; keys of those that stay.
    pub(super) fn clean_up(self, delete: &Outcome, delete_version: &Outcome) -> Vec<String> {
        let made = self.made.take();
        let mut left: Vec<String> = made
            .iter()
            .filter(|(key, version)| {
                let removed = match version {
                    Some(version) => delete_version.is_done() && self.remove(key, Some(version)).is_ok(),
                    None => delete.is_done() && self.remove(key, None).is_ok(),
                };
                !removed
            })
            .map(|(key, _)| key.clone())
            .collect();
        left.sort();
        left.dedup();
        left
    }

    pub(super) fn remove(&self, key: &str, version: Option<&str>) -> Result<(), Refusal> {
        let delete = self.ask.s3().delete_object().bucket(self.ask.bucket()).key(key);
        let answer = self.ask.send(delete.set_version_id(version.map(str::to_owned)).send())?;
        self.made.borrow_mut().retain(|(made, of)| made != key || of.as_deref() != version);
        // a delete without a version makes a marker, which is a version of its own
        if version.is_none() && answer.delete_marker == Some(true) {
            self.remember(key, answer.version_id);
        }
        Ok(())
    }
}

/// What came of a try.
pub(super) fn outcome<T>(answer: Result<T, Refusal>) -> Outcome {
    match answer {
        Ok(_) => Outcome::Done,
        Err(refusal) => refusal.to_outcome(),
    }
}
