//! Lists of uploads in parts and of their parts, page by page.

use s3s::dto::{
    ETag, ListMultipartUploadsInput, ListMultipartUploadsOutput, ListPartsInput, ListPartsOutput, MultipartUpload,
};
use s3s::{S3Result, s3_error};

use super::object::timestamp;
use super::state::{Part, Upload};
use super::store::Fake;
use super::sums::show_sums;

impl Fake {
    pub fn list_parts(&self, input: &ListPartsInput) -> S3Result<ListPartsOutput> {
        let state = self.state();
        let upload = state.upload(&input.bucket, &input.key, &input.upload_id)?;
        let page = state.page(input.max_parts)?;
        let marker = input.part_number_marker.unwrap_or(0);
        let mut rows = upload.parts.range(marker.saturating_add(1)..).map(|(number, part)| part_line(*number, part));
        let parts: Vec<_> = rows.by_ref().take(page).collect();
        let is_truncated = rows.next().is_some();
        Ok(ListPartsOutput {
            bucket: Some(input.bucket.clone()),
            key: Some(input.key.clone()),
            upload_id: Some(input.upload_id.clone()),
            abort_date: state.abort_date(upload),
            part_number_marker: Some(marker),
            next_part_number_marker: parts.last().and_then(|part| part.part_number),
            max_parts: i32::try_from(page).ok(),
            is_truncated: Some(is_truncated),
            storage_class: Some(class_of(upload).into()),
            parts: Some(parts),
            ..ListPartsOutput::default()
        })
    }

    /// By key, and by the time of their beginning within a key.
    pub fn list_multipart_uploads(&self, input: &ListMultipartUploadsInput) -> S3Result<ListMultipartUploadsOutput> {
        let state = self.state();
        state.bucket(&input.bucket)?;
        if input.delimiter.is_some() {
            return Err(s3_error!(NotImplemented, "uploads are not listed by delimiter here"));
        }
        let page = state.page(input.max_uploads)?;
        let prefix = input.prefix.as_deref().unwrap_or_default();
        let key_marker = input.key_marker.as_deref().unwrap_or_default();
        let id_marker = input.upload_id_marker.as_deref().filter(|marker| !marker.is_empty());
        // ids grow with the time; without an id all uploads of the marked key are over
        let is_after = |upload: &&Upload| match id_marker {
            Some(id) => (upload.key.as_str(), upload.id.as_str()) > (key_marker, id),
            None => upload.key.as_str() > key_marker,
        };
        let open = state.uploads.values().filter(|upload| upload.completed.is_none() && upload.bucket == input.bucket);
        let mut found: Vec<_> = open.filter(|upload| upload.key.starts_with(prefix)).filter(is_after).collect();
        found.sort_by_key(|upload| (&upload.key, &upload.id));
        let is_truncated = found.len() > page;
        found.truncate(page);
        let last = found.last().filter(|_| is_truncated);
        Ok(ListMultipartUploadsOutput {
            bucket: Some(input.bucket.clone()),
            key_marker: input.key_marker.clone(),
            upload_id_marker: input.upload_id_marker.clone(),
            next_key_marker: last.map(|upload| upload.key.clone()),
            next_upload_id_marker: last.map(|upload| upload.id.clone()),
            prefix: input.prefix.clone(),
            is_truncated: Some(is_truncated),
            max_uploads: i32::try_from(page).ok(),
            uploads: Some(found.into_iter().map(upload_line).collect()),
            ..ListMultipartUploadsOutput::default()
        })
    }
}

fn part_line(number: i32, part: &Part) -> s3s::dto::Part {
    let mut line = s3s::dto::Part {
        part_number: Some(number),
        e_tag: Some(ETag::Strong(part.etag.clone())),
        size: Some(part.blob.size.cast_signed()),
        last_modified: Some(timestamp(part.modified)),
        ..s3s::dto::Part::default()
    };
    show_sums!(line, part.sums);
    line
}

fn upload_line(upload: &Upload) -> MultipartUpload {
    MultipartUpload {
        key: Some(upload.key.clone()),
        upload_id: Some(upload.id.clone()),
        initiated: Some(timestamp(upload.initiated)),
        storage_class: Some(class_of(upload).into()),
        ..MultipartUpload::default()
    }
}

fn class_of(upload: &Upload) -> String {
    upload.facts.class.clone().unwrap_or_else(|| "STANDARD".to_owned())
}
