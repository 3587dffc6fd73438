//! Which checksums a server verifies: a wrong one must be refused, a right one taken.

use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;

use super::probes::{FIRST, Probes, SECOND};
use crate::model::StorageClass;

/// Names as S3 has them; the last is that of a whole object stored by parts.
const WHOLE_OBJECT: &str = "CRC64NVME of objects by parts";

type WithSum = fn(PutObjectFluentBuilder, &str) -> PutObjectFluentBuilder;

impl Probes<'_> {
    /// Makes one object for each checksum at most.
    pub(super) fn checksums(&self) -> Vec<String> {
        let kinds: [(&str, WithSum, &str, &str); 3] = [
            ("Content-MD5", |put, sum| put.content_md5(sum), FIRST.md5, SECOND.md5),
            ("CRC32C", |put, sum| put.checksum_crc32_c(sum), FIRST.crc32c, SECOND.crc32c),
            ("CRC64NVME", |put, sum| put.checksum_crc64_nvme(sum), FIRST.crc64nvme, SECOND.crc64nvme),
        ];
        let verified = kinds.into_iter().filter(|(name, with, right, wrong)| self.verifies(name, *with, right, wrong));
        let mut names: Vec<String> = verified.map(|(name, ..)| name.to_owned()).collect();
        if self.verifies_whole_objects(&self.key("sum-parts")) {
            names.push(WHOLE_OBJECT.to_owned());
        }
        names
    }

    fn verifies(&self, name: &str, with: WithSum, right: &str, wrong: &str) -> bool {
        let key = self.key(&format!("sum-{name}"));
        let put = |sum| with(self.put(&key, FIRST).set_if_none_match(self.if_new()), sum);
        match self.send(&key, put(wrong)) {
            Ok(()) => false,
            // refused for another reason, as if the wrong one had been noticed
            Err(refusal) if !refusal.is_wrong_sum() => false,
            Err(_) => self.send(&key, put(right)).is_ok(),
        }
    }

    /// Classes that the server takes; makes one object for each.
    pub(super) fn classes(&self) -> Vec<String> {
        let taken = StorageClass::ALL.into_iter().filter(|class| {
            let key = self.key(&format!("class-{class}"));
            let put = self.put(&key, FIRST).content_md5(FIRST.md5).set_if_none_match(self.if_new());
            self.send(&key, put.storage_class(class.as_str().into())).is_ok() && self.has_class(&key, *class)
        });
        taken.map(|class| class.to_string()).collect()
    }

    /// Some servers take every class and know none; a list tells, also to those who may not read.
    fn has_class(&self, key: &str, class: StorageClass) -> bool {
        let list = self.ask.s3().list_objects_v2().bucket(self.ask.bucket()).prefix(key).max_keys(1);
        let Ok(answer) = self.ask.send(list.send()) else { return false };
        let found = answer.contents().first().and_then(|object| object.storage_class());
        found.map_or(class == StorageClass::Standard, |found| found.as_str() == class.as_str())
    }
}
