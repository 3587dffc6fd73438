//! Uploads by parts of one small part: whether a completion heeds its condition, and what may be repeated.

use aws_sdk_s3::operation::complete_multipart_upload::CompleteMultipartUploadOutput;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumType, CompletedMultipartUpload, CompletedPart};

use super::Refusal;
use super::probes::{Content, FIRST, Probes};
use crate::bucket::{Answer, Outcome, UploadList};

/// A begun upload with its part sent.
pub(super) struct Begun {
    key: String,
    id: String,
    part: CompletedPart,
}

impl Probes<'_> {
    pub(super) fn begin(&self, key: &str) -> Result<Begun, Refusal> {
        self.begin_with(key, FIRST, false)
    }

    fn begin_with(&self, key: &str, content: Content, summed: bool) -> Result<Begun, Refusal> {
        let (s3, bucket) = (self.ask.s3(), self.ask.bucket());
        let create = s3.create_multipart_upload().bucket(bucket).key(key);
        let create = match summed {
            true => create.checksum_algorithm(ChecksumAlgorithm::Crc64Nvme).checksum_type(ChecksumType::FullObject),
            false => create,
        };
        let id = self.ask.send(create.send())?.upload_id.unwrap_or_default();
        let part = s3.upload_part().bucket(bucket).key(key).upload_id(&id).part_number(1);
        let part = part.body(ByteStream::from_static(content.bytes));
        let part = if summed { part.checksum_crc64_nvme(content.crc64nvme) } else { part.content_md5(content.md5) };
        match self.ask.send(part.send()) {
            Ok(answer) => {
                let receipt = CompletedPart::builder().part_number(1).set_e_tag(answer.e_tag);
                let sum = summed.then(|| content.crc64nvme.to_owned());
                let part = receipt.set_checksum_crc64_nvme(sum).build();
                Ok(Begun { key: key.to_owned(), id, part })
            }
            Err(refusal) => {
                self.abort(key, &id);
                Err(refusal)
            }
        }
    }

    /// Completes it, only if absent or in any case; aborts it where that is refused.
    pub(super) fn complete(&self, begun: &Begun, if_absent: bool) -> Result<(), Refusal> {
        let answer = self.send_completion(begun, if_absent, None);
        match answer {
            Ok(answer) => {
                self.remember(&begun.key, answer.version_id);
                Ok(())
            }
            Err(refusal) => {
                self.abort(&begun.key, &begun.id);
                Err(refusal)
            }
        }
    }

    fn send_completion(
        &self,
        begun: &Begun,
        if_absent: bool,
        total: Option<&str>,
    ) -> Result<CompleteMultipartUploadOutput, Refusal> {
        let parts = CompletedMultipartUpload::builder().parts(begun.part.clone()).build();
        let complete = self.ask.s3().complete_multipart_upload().bucket(self.ask.bucket()).key(&begun.key);
        let complete = complete.upload_id(&begun.id).multipart_upload(parts);
        let complete = complete.set_if_none_match(if_absent.then(|| "*".to_owned()));
        let kind = total.map(|_| ChecksumType::FullObject);
        let complete = complete.set_checksum_crc64_nvme(total.map(str::to_owned)).set_checksum_type(kind);
        self.ask.send(complete.send())
    }

    /// What it frees is a few bytes, which the bucket's lifecycle frees too.
    fn abort(&self, key: &str, id: &str) {
        let abort = self.ask.s3().abort_multipart_upload().bucket(self.ask.bucket()).key(key).upload_id(id);
        if let Err(refusal) = self.ask.send(abort.send()) {
            tracing::debug!(key, why = refusal.why, "an unfinished upload of a probe stays");
        }
    }

    /// Begun and completed over an object that is there.
    pub(super) fn complete_over(&self, key: &str, if_absent: bool) -> Outcome {
        super::probes::outcome(self.begin(key).and_then(|begun| self.complete(&begun, if_absent)))
    }

    /// Whether an identical completion is taken twice; makes one object.
    pub(super) fn complete_twice(&self, key: &str) -> Answer {
        let Ok(begun) = self.begin(key) else { return Answer::Unknown };
        if self.complete(&begun, self.is_conditional()).is_err() {
            return Answer::Unknown;
        }
        match self.send_completion(&begun, self.is_conditional(), None) {
            Ok(_) => Answer::Yes,
            Err(refusal) if matches!(refusal.status, 404 | 409 | 412) => Answer::No,
            Err(_) => Answer::Unknown,
        }
    }

    /// Whether a completion verifies the CRC64NVME of the whole object; makes at most one object.
    pub(super) fn verifies_whole_objects(&self, key: &str) -> bool {
        let wrong = super::probes::SECOND.crc64nvme;
        let Ok(begun) = self.begin_with(key, FIRST, true) else { return false };
        match self.send_completion(&begun, self.is_conditional(), Some(wrong)) {
            Ok(answer) => {
                self.remember(key, answer.version_id);
                return false;
            }
            Err(refusal) if refusal.is_wrong_sum() => {}
            Err(refusal) => {
                self.abort(key, &begun.id);
                // the answer was lost: it may be there
                if refusal.status == 0 {
                    self.remember(key, None);
                }
                return false;
            }
        }
        // some servers have thrown the upload away by now
        self.abort(key, &begun.id);
        let Ok(begun) = self.begin_with(key, FIRST, true) else { return false };
        match self.send_completion(&begun, self.is_conditional(), Some(FIRST.crc64nvme)) {
            Ok(answer) => {
                self.remember(key, answer.version_id);
                true
            }
            Err(_) => {
                self.abort(key, &begun.id);
                false
            }
        }
    }

    /// Which lists show an upload that is begun; it is ended again.
    pub(super) fn lists_uploads(&self, key: &str) -> UploadList {
        let Ok(begun) = self.begin(key) else { return UploadList::Unknown };
        let found = match (self.lists(&begun, self.folder()), self.lists(&begun, key)) {
            (Some(true), _) => UploadList::ByPrefix,
            (_, Some(true)) => UploadList::ByName,
            (Some(false), _) | (_, Some(false)) => UploadList::None,
            (None, None) => UploadList::Unknown,
        };
        self.abort(key, &begun.id);
        found
    }

    /// `None`: it could not be asked.
    fn lists(&self, begun: &Begun, prefix: &str) -> Option<bool> {
        let list = self.ask.s3().list_multipart_uploads().bucket(self.ask.bucket()).prefix(prefix);
        match self.ask.send(list.send()) {
            Ok(answer) => Some(answer.uploads().iter().any(|upload| upload.upload_id() == Some(begun.id.as_str()))),
            Err(refusal) => refusal.is_not_supported().then_some(false),
        }
    }
}
