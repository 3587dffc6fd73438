//! Whole objects: put, get, look for, list, delete.

use aws_sdk_s3::operation::RequestId;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::types::{Object, OptionalObjectAttributes};

use super::answer::{Failure, Unanswered};
use super::archive;
use super::backend::S3Store;
use super::body::Body;
use super::client::Ask;
use super::refusal::S3Refusal;
use crate::model::StorageClass;
use crate::store::{Listed, ObjectInfo, ObjectName, PutOutcome, PutSource, StoreError, Verb};

const NOT_OF_S3: &str = "it has neither an ETag nor the number of a request, as what answers in a store's place (the login page of a network)";

/// Objects on one page of a list: the most that S3 gives.
pub(super) const PAGE: i32 = 1000;

impl S3Store {
    pub(super) fn put(
        &self,
        name: &ObjectName,
        source: PutSource<'_>,
        class: StorageClass,
    ) -> Result<PutOutcome, StoreError> {
        let body = Body::of_object(source, self.address().checksum())?;
        // a server that ignores the condition would replace what is there
        if !self.address().conditional()
            && let Some(present) = self.head(name)?
        {
            return same_size(name, present.size, body.len());
        }
        let ask = Ask::new(Verb::Put).class(class);
        let sent = self.client.call_with(ask, &body, |s3, bytes| {
            let put = s3.put_object().bucket(self.bucket()).key(self.key(name)).body(bytes);
            put.content_length(length(body.len()))
                .set_if_none_match(self.if_absent())
                .set_content_md5(body.sum().md5_header())
                .set_checksum_crc64_nvme(body.sum().crc64_header())
                .set_storage_class(archive::to_sdk(class))
                .send()
        })?;
        match sent {
            Ok(output) if output.e_tag().is_some() => Ok(PutOutcome::Created),
            // something between us and the store says yes to everything
            Ok(_) => Err(self.garbled(Verb::Put, name.as_str(), "it has no ETag")),
            Err(failure) if failure.status() == 412 => self.compare(name, body.len()),
            Err(failure) => Err(self.failed(Verb::Put, name, failure)),
        }
    }

    /// Something was there: our own object of an answer that was lost, or another's.
    fn compare(&self, name: &ObjectName, offered: u64) -> Result<PutOutcome, StoreError> {
        match self.head(name)? {
            Some(present) => same_size(name, present.size, offered),
            None => {
                let message = "an object was there, and then it was not".to_owned();
                let source = S3Refusal::Busy { status: 412, code: "PreconditionFailed".to_owned(), message };
                Err(self.refused(Verb::Put, name, source))
            }
        }
    }

    pub(super) fn get(&self, name: &ObjectName, limit: u64) -> Result<Vec<u8>, StoreError> {
        let output = self
            .client
            .call(Ask::new(Verb::Get), |s3| s3.get_object().bucket(self.bucket()).key(self.key(name)).send())
            .map_err(|failure| self.unread(Verb::Get, name, failure))?;
        let size = self.size_of(Verb::Get, name, &output)?;
        if size > limit {
            return Err(StoreError::TooLarge { name: name.clone(), size, limit });
        }
        self.client.read(output.body, size).map_err(|failure| self.failed(Verb::Get, name, failure))
    }

    pub(super) fn get_range(&self, name: &ObjectName, offset: u64, len: u64) -> Result<Vec<u8>, StoreError> {
        let Some(last) = offset.checked_add(len).filter(|_| len > 0).map(|end| end - 1) else {
            return self.nothing_of(name, offset, len);
        };
        let range = format!("bytes={offset}-{last}");
        let answer = self.client.call(Ask::new(Verb::GetRange), |s3| {
            s3.get_object().bucket(self.bucket()).key(self.key(name)).range(&range).send()
        });
        let output = match answer {
            Ok(output) => output,
            Err(failure) if failure.status() == 416 => return self.nothing_of(name, offset, len),
            Err(failure) => return Err(self.unread(Verb::GetRange, name, failure)),
        };
        let found = self.size_of(Verb::GetRange, name, &output)?;
        if found != len {
            let size = output.content_range().and_then(total).unwrap_or(found);
            return Err(StoreError::OutOfRange { name: name.clone(), offset, len, size });
        }
        self.client.read(output.body, len).map_err(|failure| self.failed(Verb::GetRange, name, failure))
    }

    /// A range without bytes, or one that cannot be asked for: what it is depends on the size.
    fn nothing_of(&self, name: &ObjectName, offset: u64, len: u64) -> Result<Vec<u8>, StoreError> {
        let found = self.head(name)?.ok_or_else(|| StoreError::NotFound { name: name.clone() })?;
        match len == 0 && offset <= found.size {
            true => Ok(Vec::new()),
            false => Err(StoreError::OutOfRange { name: name.clone(), offset, len, size: found.size }),
        }
    }

    pub(super) fn head(&self, name: &ObjectName) -> Result<Option<ObjectInfo>, StoreError> {
        let answer = self
            .client
            .call(Ask::new(Verb::Head), |s3| s3.head_object().bucket(self.bucket()).key(self.key(name)).send());
        match answer {
            Ok(output) => {
                self.is_of_s3(Verb::Head, name, output.e_tag(), &output)?;
                let class = archive::from_sdk(output.storage_class().map(|class| class.as_str()));
                self.client.was_of_class(Verb::Head, class);
                let size = self.positive(Verb::Head, name, output.content_length())?;
                Ok(Some(ObjectInfo { size, class, access: archive::access(class, output.restore()) }))
            }
            Err(failure) if failure.is_missing() => Ok(None),
            // no word of the store's: an answer to HEAD has no room for one
            Err(failure) if failure.status() == 404 => self.head_by_get(name, failure),
            // an uploader need not be allowed to read; then it may list. Or the keys are wrong, which only a body can say
            Err(failure) if matches!(failure.status(), 400 | 403) && failure.is_mute() => self.head_by_list(name),
            Err(failure) => Err(self.failed(Verb::Head, name, failure)),
        }
    }

    /// Many a server does not number its answers. Asked for a byte of the object it must name the error.
    fn head_by_get(&self, name: &ObjectName, unclear: Failure) -> Result<Option<ObjectInfo>, StoreError> {
        let answer = self.client.call(Ask::new(Verb::GetRange), |s3| {
            s3.get_object().bucket(self.bucket()).key(self.key(name)).range("bytes=0-0").send()
        });
        match answer {
            Err(failure) if failure.is_missing() => Ok(None),
            Err(failure) if failure.status() != 404 => Err(self.failed(Verb::Head, name, failure)),
            _ => Err(self.failed(Verb::Head, name, unclear)),
        }
    }

    fn head_by_list(&self, name: &ObjectName) -> Result<Option<ObjectInfo>, StoreError> {
        let key = self.key(name);
        let answer = self.client.call(Ask::new(Verb::List), |s3| {
            let list = s3.list_objects_v2().bucket(self.bucket()).prefix(&key).max_keys(1);
            list.optional_object_attributes(OptionalObjectAttributes::RestoreStatus).send()
        });
        match answer {
            Ok(page) => {
                let found = page.contents().iter().find(|object| object.key() == Some(&key));
                found.map(|object| self.info(name, object)).transpose()
            }
            Err(failure) => Err(self.failed(Verb::Head, name, failure)),
        }
    }

    fn info(&self, name: &ObjectName, object: &Object) -> Result<ObjectInfo, StoreError> {
        let class = archive::from_sdk(object.storage_class().map(|class| class.as_str()));
        let size = self.positive(Verb::Head, name, object.size())?;
        Ok(ObjectInfo { size, class, access: archive::access_in_list(class, object.restore_status()) })
    }

    pub(super) fn list(&self, prefix: &str) -> Result<Vec<Listed>, StoreError> {
        let mut found = Vec::new();
        self.pages(prefix, None, |page| {
            for object in page.contents() {
                found.extend(self.listed(object)?);
            }
            Ok(())
        })?;
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    pub(super) fn folders(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let whole = format!("{}{prefix}", self.address().prefix());
        let mut found = Vec::new();
        self.pages(prefix, Some("/"), |page| {
            let below = page.common_prefixes().iter().filter_map(|below| below.prefix()?.strip_prefix(&whole));
            found.extend(below.map(|below| below.trim_end_matches('/').to_owned()));
            Ok(())
        })?;
        found.sort_unstable();
        Ok(found)
    }

    /// All of a list.
    fn pages(
        &self,
        prefix: &str,
        delimiter: Option<&str>,
        mut visit: impl FnMut(&ListObjectsV2Output) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let whole = format!("{}{prefix}", self.address().prefix());
        let mut next: Option<String> = None;
        loop {
            let answer = self.client.call(Ask::new(Verb::List), |s3| {
                let list = s3.list_objects_v2().bucket(self.bucket()).prefix(&whole).max_keys(PAGE);
                list.set_delimiter(delimiter.map(str::to_owned)).set_continuation_token(next.clone()).send()
            });
            let page = answer.map_err(|failure| self.client.failed(Verb::List, &shown(prefix), failure))?;
            visit(&page)?;
            next = match (page.is_truncated(), page.next_continuation_token().map(str::to_owned)) {
                (Some(false), _) | (None, None) => return Ok(()),
                // where it is not said whether anything follows, the way on says it
                (_, Some(token)) if Some(&token) != next.as_ref() => Some(token),
                _ => return Err(self.garbled(Verb::List, &shown(prefix), "a page has no successor")),
            };
        }
    }

    /// `None` for what cannot be an object of ours: a bucket may hold other things.
    fn listed(&self, object: &Object) -> Result<Option<Listed>, StoreError> {
        let Some(name) = object.key().and_then(|key| self.name_of(key)) else { return Ok(None) };
        let size = self.positive(Verb::List, &name, object.size())?;
        let class = archive::from_sdk(object.storage_class().map(|class| class.as_str()));
        Ok(Some(Listed { name, size, class }))
    }

    pub(super) fn delete(&self, name: &ObjectName) -> Result<(), StoreError> {
        let answer = self
            .client
            .call(Ask::new(Verb::Delete), |s3| s3.delete_object().bucket(self.bucket()).key(self.key(name)).send());
        match answer {
            Ok(_) => Ok(()),
            Err(failure) if failure.is_missing() => Ok(()),
            Err(failure) => Err(self.failed(Verb::Delete, name, failure)),
        }
    }

    pub(super) fn unread(&self, verb: Verb, name: &ObjectName, failure: Failure) -> StoreError {
        match failure.code() {
            "InvalidObjectState" => StoreError::Archived { name: name.clone() },
            _ if failure.is_missing() => StoreError::NotFound { name: name.clone() },
            _ => self.failed(verb, name, failure),
        }
    }

    fn size_of(&self, verb: Verb, name: &ObjectName, output: &GetObjectOutput) -> Result<u64, StoreError> {
        self.is_of_s3(verb, name, output.e_tag(), output)?;
        self.client.was_of_class(verb, archive::from_sdk(output.storage_class().map(|class| class.as_str())));
        self.positive(verb, name, output.content_length())
    }

    /// The login page of a network says yes to everything. The store's objects have an ETag, or its answers a number.
    fn is_of_s3(
        &self,
        verb: Verb,
        name: &ObjectName,
        etag: Option<&str>,
        answer: &impl RequestId,
    ) -> Result<(), StoreError> {
        match etag.or(answer.request_id()) {
            Some(_) => Ok(()),
            None => Err(self.garbled(verb, name.as_str(), NOT_OF_S3)),
        }
    }

    pub(super) fn positive(&self, verb: Verb, name: &ObjectName, size: Option<i64>) -> Result<u64, StoreError> {
        let size = size.and_then(|size| u64::try_from(size).ok());
        size.ok_or_else(|| self.garbled(verb, name.as_str(), "it has no length"))
    }

    pub(super) fn garbled(&self, verb: Verb, what: &str, reason: &str) -> StoreError {
        self.client.failed(verb, what, Failure::Unanswered(Unanswered::Garbled(reason.to_owned())))
    }
}

fn same_size(name: &ObjectName, present: u64, offered: u64) -> Result<PutOutcome, StoreError> {
    match present == offered {
        true => Ok(PutOutcome::AlreadyThere),
        false => Err(StoreError::Conflict { name: name.clone(), present, offered }),
    }
}

/// Of `bytes 0-9/100`.
fn total(content_range: &str) -> Option<u64> {
    content_range.rsplit_once('/')?.1.parse().ok()
}

pub(super) fn length(len: u64) -> i64 {
    i64::try_from(len).expect("no file has 8 EiB")
}

pub(super) fn shown(prefix: &str) -> String {
    if prefix.is_empty() { "all objects".to_owned() } else { format!("{prefix}*") }
}
