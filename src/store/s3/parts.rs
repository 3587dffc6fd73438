//! Uploads by parts. Their ids and receipts are the caller's; the target's word is asked, never remembered.

use std::time::Duration;

use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumType, CompletedMultipartUpload, CompletedPart, Part};

use super::answer::Failure;
use super::archive;
use super::backend::S3Store;
use super::body::Body;
use super::checksum::{Checksum, crc64_from, crc64_of_parts, crc64_text};
use super::client::Ask;
use super::objects::length;
use super::refusal::S3Refusal;
use crate::model::StorageClass;
use crate::store::{
    CompleteOutcome, ObjectName, PartReceipt, PartRules, PartSource, StoreError, Upload, UploadId, Verb,
};

/// What AWS and all compatible servers take: 10,000 parts, all but the last of one size and of 5 MiB or more.
pub(super) const RULES: PartRules =
    PartRules { threshold: 32 << 20, part_size: 16 << 20, max_parts: 10_000, in_flight: 4 };

/// The server copies and sums up to 48 TiB before it answers.
const COMPLETE_PATIENCE: Duration = Duration::from_secs(600);

impl S3Store {
    pub(super) fn begin(&self, name: &ObjectName, class: StorageClass) -> Result<UploadId, StoreError> {
        let sums_whole = self.address().checksum() == Checksum::Crc64Nvme;
        let output = self
            .client
            .call(Ask::new(Verb::CreateUpload).class(class), |s3| {
                let create = s3.create_multipart_upload().bucket(self.bucket()).key(self.key(name));
                create
                    .set_storage_class(archive::to_sdk(class))
                    .set_checksum_algorithm(sums_whole.then_some(ChecksumAlgorithm::Crc64Nvme))
                    .set_checksum_type(sums_whole.then_some(ChecksumType::FullObject))
                    .send()
            })
            .map_err(|failure| self.failed(Verb::CreateUpload, name, failure))?;
        let id = output.upload_id().filter(|id| !id.is_empty()).map(UploadId::new);
        let id = id.ok_or_else(|| self.garbled(Verb::CreateUpload, name.as_str(), "it has no upload id"))?;
        self.remember(&id, class);
        Ok(id)
    }

    pub(super) fn send_part(
        &self,
        upload: &Upload,
        number: u32,
        source: PartSource<'_>,
    ) -> Result<PartReceipt, StoreError> {
        let body = Body::of_part(source, self.address().checksum())?;
        let sent = self.client.call_with(Ask::new(Verb::PutPart), &body, |s3, bytes| {
            let put = s3.upload_part().bucket(self.bucket()).key(self.key(&upload.name)).upload_id(upload.id.as_str());
            put.part_number(part_number(number))
                .body(bytes)
                .content_length(length(body.len()))
                .set_content_md5(body.sum().md5_header())
                .set_checksum_crc64_nvme(body.sum().crc64_header())
                .send()
        })?;
        let output = sent.map_err(|failure| match failure.is_missing() {
            true => StoreError::UploadGone { name: upload.name.clone(), id: upload.id.clone() },
            false => self.failed(Verb::PutPart, &upload.name, failure),
        })?;
        let etag = output.e_tag().map(unquoted);
        let etag = etag.ok_or_else(|| self.garbled(Verb::PutPart, upload.name.as_str(), "it has no ETag"))?;
        Ok(PartReceipt { number, size: body.len(), etag, crc64: body.sum().crc64() })
    }

    pub(super) fn parts_of(&self, upload: &Upload) -> Result<Option<Vec<PartReceipt>>, StoreError> {
        let mut parts = Vec::new();
        let mut next: Option<String> = None;
        loop {
            let answer = self.client.call(Ask::new(Verb::ListParts), |s3| {
                let list = s3.list_parts().bucket(self.bucket()).key(self.key(&upload.name));
                list.upload_id(upload.id.as_str()).set_part_number_marker(next.clone()).send()
            });
            let page = match answer {
                Ok(page) => page,
                Err(failure) if failure.is_missing() => return Ok(None),
                Err(failure) => return Err(self.failed(Verb::ListParts, &upload.name, failure)),
            };
            self.remember(&upload.id, archive::from_sdk(page.storage_class().map(|class| class.as_str())));
            for part in page.parts() {
                parts.push(self.receipt(&upload.name, part)?);
            }
            let marker =
                page.next_part_number_marker().map(str::to_owned).filter(|marker| Some(marker) != next.as_ref());
            match (page.is_truncated().unwrap_or(false), marker) {
                (false, _) => break,
                (true, Some(marker)) => next = Some(marker),
                (true, None) => {
                    return Err(self.garbled(Verb::ListParts, upload.name.as_str(), "a page has no successor"));
                }
            }
        }
        parts.sort_by_key(|part: &PartReceipt| part.number);
        Ok(Some(parts))
    }

    fn receipt(&self, name: &ObjectName, part: &Part) -> Result<PartReceipt, StoreError> {
        let wrong = |reason| self.garbled(Verb::ListParts, name.as_str(), reason);
        Ok(PartReceipt {
            number: part
                .part_number()
                .and_then(|n| u32::try_from(n).ok())
                .ok_or_else(|| wrong("a part has no number"))?,
            size: self.positive(Verb::ListParts, name, part.size())?,
            etag: part.e_tag().map(unquoted).ok_or_else(|| wrong("a part has no ETag"))?,
            crc64: part.checksum_crc64_nvme().and_then(crc64_from),
        })
    }

    /// By the checksum that the server keeps of a part, else by its ETag: the MD5 of the bytes, but where keys of the owner
    /// encrypt. Then it is not recognised, and sent again.
    pub(super) fn recognise(
        &self,
        listed: &PartReceipt,
        source: PartSource<'_>,
    ) -> Result<Option<PartReceipt>, StoreError> {
        if listed.size != source.len {
            return Ok(None);
        }
        let sum = Body::of_part(source, self.address().checksum())?.sum();
        let is_same = match (listed.crc64, sum.crc64()) {
            (Some(listed), Some(own)) => listed == own,
            _ => Body::of_part(source, Checksum::Md5)?.sum().md5_hex().is_some_and(|own| own == listed.etag),
        };
        Ok(is_same.then(|| PartReceipt { crc64: sum.crc64(), ..listed.clone() }))
    }

    pub(super) fn complete(&self, upload: &Upload, parts: &[PartReceipt]) -> Result<CompleteOutcome, StoreError> {
        // servers that honour the condition for a put may still ignore it here
        if (self.address().endpoint.is_some() || !self.address().conditional()) && self.head(&upload.name)?.is_some() {
            return Ok(CompleteOutcome::AlreadyThere);
        }
        let total: u64 = parts.iter().map(|part| part.size).sum();
        let whole = crc64_of_parts(parts).filter(|_| self.address().checksum() == Checksum::Crc64Nvme);
        let list = CompletedMultipartUpload::builder().set_parts(Some(parts.iter().map(completed).collect())).build();
        let ask = Ask::new(Verb::CompleteUpload).class(self.class_of(&upload.id)).patience(COMPLETE_PATIENCE);
        let answer = self.client.call(ask, |s3| {
            let complete = s3.complete_multipart_upload().bucket(self.bucket()).key(self.key(&upload.name));
            complete
                .upload_id(upload.id.as_str())
                .multipart_upload(list.clone())
                .mpu_object_size(length(total))
                .set_if_none_match(self.if_absent())
                .set_checksum_crc64_nvme(whole.map(crc64_text))
                .set_checksum_type(whole.map(|_| ChecksumType::FullObject))
                .send()
        });
        match answer {
            Ok(_) => Ok(CompleteOutcome::Created),
            Err(failure) => self.not_completed(upload, failure),
        }
    }

    fn not_completed(&self, upload: &Upload, failure: Failure) -> Result<CompleteOutcome, StoreError> {
        match (failure.code(), failure.status()) {
            ("PreconditionFailed", _) | (_, 412) => Ok(CompleteOutcome::AlreadyThere),
            ("NoSuchUpload", _) => Ok(CompleteOutcome::UploadGone),
            ("InvalidPart" | "InvalidPartOrder", _) => Ok(CompleteOutcome::PartsDiffer),
            // each part arrived as it was sent: to ask again cannot change the sum of all
            ("BadDigest", _) => {
                let source = S3Refusal::WholeDiffers { code: failure.code().to_owned() };
                Err(self.refused(Verb::CompleteUpload, &upload.name, source))
            }
            // of all conflicts this one alone has made the upload useless; the others pass
            ("ConditionalRequestConflict", _) => Ok(CompleteOutcome::Conflict),
            _ if failure.is_missing() => Ok(CompleteOutcome::UploadGone),
            // some servers know no better answer for an upload that was aborted
            (_, 500) if self.parts_of(upload)?.is_none() => Ok(CompleteOutcome::UploadGone),
            _ => Err(self.failed(Verb::CompleteUpload, &upload.name, failure)),
        }
    }

    pub(super) fn abort(&self, upload: &Upload) -> Result<(), StoreError> {
        let answer = self.client.call(Ask::new(Verb::AbortUpload), |s3| {
            let abort = s3.abort_multipart_upload().bucket(self.bucket()).key(self.key(&upload.name));
            abort.upload_id(upload.id.as_str()).send()
        });
        match answer {
            Ok(_) => Ok(()),
            Err(failure) if failure.is_missing() => Ok(()),
            Err(failure) => Err(self.failed(Verb::AbortUpload, &upload.name, failure)),
        }
    }

    pub(super) fn begun(&self, prefix: &str) -> Result<Vec<Upload>, StoreError> {
        let whole = format!("{}{prefix}", self.address().prefix());
        let mut found = Vec::new();
        let mut next: (Option<String>, Option<String>) = (None, None);
        loop {
            let answer = self.client.call(Ask::new(Verb::ListUploads), |s3| {
                let list = s3.list_multipart_uploads().bucket(self.bucket()).prefix(&whole);
                list.set_key_marker(next.0.clone()).set_upload_id_marker(next.1.clone()).send()
            });
            let page = answer.map_err(|failure| self.client.failed(Verb::ListUploads, prefix, failure))?;
            found.extend(page.uploads().iter().filter_map(|upload| {
                Some(Upload { name: self.name_of(upload.key()?)?, id: UploadId::new(upload.upload_id()?) })
            }));
            if !page.is_truncated().unwrap_or(false) {
                return Ok(found);
            }
            let markers = (page.next_key_marker().map(str::to_owned), page.next_upload_id_marker().map(str::to_owned));
            if markers.0.is_none() || markers == next {
                return Err(self.garbled(Verb::ListUploads, prefix, "a page has no successor"));
            }
            next = markers;
        }
    }
}

fn completed(part: &PartReceipt) -> CompletedPart {
    CompletedPart::builder().part_number(part_number(part.number)).e_tag(format!("\"{}\"", part.etag)).build()
}

fn part_number(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn unquoted(etag: &str) -> String {
    etag.trim_matches('"').to_owned()
}
