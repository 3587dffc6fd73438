//! Uploads in parts: create, part, complete, abort.

use std::collections::BTreeMap;

use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, CompleteMultipartUploadInput, CompleteMultipartUploadOutput,
    CompletedPart, CreateMultipartUploadInput, CreateMultipartUploadOutput, ETag, UploadPartInput, UploadPartOutput,
};
use s3s::{S3Error, S3Request, S3Result, s3_error};

use super::body::Announced;
use super::disk::{Row, State};
use super::lock::wanted_retention;
use super::object::{Conditions, class};
use super::state::{Blob, Completed, Facts, Part, Upload, Version};
use super::store::Fake;
use super::sums::{Sums, etag_of_parts, hex, show_sums, sums_of};

impl State {
    /// An upload that takes parts: neither aborted nor completed.
    pub fn upload(&self, bucket: &str, key: &str, id: &str) -> S3Result<&Upload> {
        self.any_upload(bucket, key, id)?
            .filter(|upload| upload.completed.is_none())
            .ok_or_else(|| s3_error!(NoSuchUpload, "the upload {id} does not exist: aborted, completed or never begun"))
    }

    fn any_upload(&self, bucket: &str, key: &str, id: &str) -> S3Result<Option<&Upload>> {
        self.bucket(bucket)?;
        Ok(self.uploads.get(id).filter(|upload| upload.bucket == bucket && upload.key == key))
    }

    /// Returns the bytes that nothing needs any more.
    pub fn abort(&mut self, id: &str) -> Vec<Blob> {
        let parts = self.uploads.get(id).map(|upload| upload.parts.values().map(|part| part.blob.clone()).collect());
        self.commit(vec![Row::Upload(id.to_owned(), None)]);
        parts.unwrap_or_default()
    }

    /// As a server that lost its disk, but not its table of uploads.
    pub fn lose_parts(&mut self, id: &str) -> Vec<Blob> {
        let parts = self.uploads.get(id).map(|upload| upload.parts.clone()).unwrap_or_default();
        self.commit(parts.keys().map(|number| Row::Part(id.to_owned(), *number, None)).collect());
        parts.into_values().map(|part| part.blob).collect()
    }
}

impl Fake {
    pub fn create_multipart_upload(&self, input: CreateMultipartUploadInput) -> S3Result<CreateMultipartUploadOutput> {
        let mode = input.object_lock_mode.as_ref().map(|mode| mode.as_str());
        let facts = Facts {
            class: class(input.storage_class.as_ref())?,
            content_type: input.content_type.as_ref().map(ToString::to_string),
            metadata: input.metadata.unwrap_or_default().into_iter().collect(),
            retention: wanted_retention(mode, input.object_lock_retain_until_date)?,
            legal_hold: input.object_lock_legal_hold_status.is_some_and(|status| status.as_str() == "ON"),
        };
        let algorithm = input.checksum_algorithm.as_ref().map(|algorithm| algorithm.as_str().to_owned());
        let wants_full = input.checksum_type.as_ref().is_some_and(|kind| kind.as_str() == "FULL_OBJECT");
        let full_object = wants_full || algorithm.as_deref() == Some("CRC64NVME");
        if full_object && !algorithm.as_deref().is_some_and(|algorithm| algorithm.starts_with("CRC")) {
            return Err(s3_error!(InvalidRequest, "FULL_OBJECT needs an algorithm that can be combined"));
        }
        let mut state = self.state();
        state.bucket(&input.bucket)?.allows_lock(&facts)?;
        let (order, initiated) = (state.next(), state.now());
        let (bucket, key, id) = (input.bucket.clone(), input.key.clone(), format!("upload-{order:08}"));
        let parts = BTreeMap::new();
        let upload = Upload {
            id: id.clone(),
            bucket,
            key,
            order,
            initiated,
            facts,
            algorithm,
            full_object,
            completed: None,
            parts,
        };
        let abort_date = state.abort_date(&upload);
        state.commit(vec![Row::Upload(id.clone(), Some(upload))]);
        Ok(CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(id),
            abort_date,
            checksum_algorithm: input.checksum_algorithm,
            ..CreateMultipartUploadOutput::default()
        })
    }

    pub async fn upload_part(&self, req: S3Request<UploadPartInput>) -> S3Result<UploadPartOutput> {
        let (mut input, headers, trailers) = (req.input, req.headers, req.trailing_headers);
        if !(1..=10_000).contains(&input.part_number) {
            return Err(s3_error!(InvalidArgument, "Part number must be an integer between 1 and 10000, inclusive"));
        }
        let algorithm = self.state().upload(&input.bucket, &input.key, &input.upload_id)?.algorithm.clone();
        if let (Some(algorithm), given) = (&algorithm, Sums::from_headers(&headers))
            && given.values.keys().any(|other| other != algorithm)
        {
            return Err(s3_error!(InvalidRequest, "the upload was created with the checksum {algorithm}"));
        }
        let announced = Announced {
            headers: &headers,
            trailers,
            md5: input.content_md5.as_deref(),
            length: input.content_length,
            algorithm: algorithm.as_deref(),
        };
        let stored = self.receive(input.body.take(), announced).await?;
        let mut state = self.state();
        // it may have been aborted or completed in the meantime
        let replaced = match state.upload(&input.bucket, &input.key, &input.upload_id) {
            Ok(upload) => upload.parts.get(&input.part_number).map(|part| part.blob.clone()),
            Err(error) => {
                self.discard([&stored.blob]);
                return Err(error);
            }
        };
        let etag = hex(&stored.md5);
        let mut output = UploadPartOutput { e_tag: Some(ETag::Strong(etag.clone())), ..UploadPartOutput::default() };
        show_sums!(output, stored.sums);
        let part = Part { blob: stored.blob, etag, modified: state.now(), sums: stored.sums };
        state.commit(vec![Row::Part(input.upload_id, input.part_number, Some(part))]);
        self.discard(&replaced);
        Ok(output)
    }

    pub fn abort_multipart_upload(&self, input: &AbortMultipartUploadInput) -> S3Result<AbortMultipartUploadOutput> {
        let mut state = self.state();
        state.upload(&input.bucket, &input.key, &input.upload_id)?;
        let gone = state.abort(&input.upload_id);
        self.discard(&gone);
        Ok(AbortMultipartUploadOutput::default())
    }

    pub fn complete_multipart_upload(
        &self,
        input: &CompleteMultipartUploadInput,
    ) -> S3Result<CompleteMultipartUploadOutput> {
        let asked = input.multipart_upload.as_ref().and_then(|upload| upload.parts.as_deref()).unwrap_or_default();
        let request = asked.iter().map(number_and_etag).collect::<S3Result<Vec<_>>>()?;
        let upload = self.state().any_upload(&input.bucket, &input.key, &input.upload_id)?.cloned();
        let upload = upload.ok_or_else(|| s3_error!(NoSuchUpload, "the upload {} does not exist", input.upload_id))?;
        if let Some(completed) = &upload.completed {
            return match completed.request == request {
                true => Ok(answer(input, completed, &Sums::default())),
                false => Err(s3_error!(NoSuchUpload, "the upload was completed with other parts")),
            };
        }
        let parts = chosen(&upload, asked, &request)?;
        let blobs: Vec<Blob> = parts.iter().map(|part| part.blob.clone()).collect();
        // the bytes are read without holding up other requests
        let sums = self.sums_of_whole(&upload, &parts, input)?;
        let mut state = self.state();
        let settings = state.settings.clone();
        check_sizes(&parts, input.mpu_object_size, settings.min_part_bytes)?;
        let ignores = settings.ignore_if_none_match_on_complete;
        if settings.refuse_if_none_match && input.if_none_match.is_some() {
            return Err(s3_error!(NotImplemented, "a header that was sent is not implemented"));
        }
        let conditions = Conditions {
            if_match: input.if_match.as_ref(),
            if_none_match: input.if_none_match.as_ref().filter(|_| !ignores),
            since: Some(upload.order),
        };
        conditions.check(&state.key(&input.bucket, &input.key))?;
        let now = state.upload(&input.bucket, &input.key, &input.upload_id)?;
        let unchanged = request.iter().zip(&blobs).all(|((number, _), blob)| now.parts[number].blob == *blob);
        if !unchanged {
            return Err(s3_error!(InvalidPart, "a part was replaced while the upload was completed"));
        }
        let unused = now.parts.values().map(|part| part.blob.clone()).filter(|blob| !blobs.contains(blob)).collect();
        let version = Version {
            order: upload.order,
            etag: etag_of_parts(parts.iter().map(|part| part.etag.as_str())),
            parts: parts.len(),
            blobs,
            facts: upload.facts.clone(),
            sums: sums.clone(),
            ..Version::default()
        };
        let replaced = state.replaced(&input.bucket, &input.key);
        let completed = state.finish(upload, version, request)?;
        drop(state);
        self.release(&[replaced, unused].concat());
        Ok(answer(input, &completed, &sums))
    }

    /// The checksum of all bytes, or of the parts' checksums.
    fn sums_of_whole(&self, upload: &Upload, parts: &[&Part], input: &CompleteMultipartUploadInput) -> S3Result<Sums> {
        let given = sums_of!(input);
        let algorithm = upload.algorithm.as_deref().or(given.values.keys().next().map(String::as_str));
        let Some(algorithm) = algorithm else { return Ok(Sums::default()) };
        let is_full = upload.full_object || upload.algorithm.is_none();
        let sums = if is_full {
            let blobs: Vec<Blob> = parts.iter().map(|part| part.blob.clone()).collect();
            self.sum(&blobs, algorithm).map_err(S3Error::internal_error)?
        } else {
            Sums::of_parts(algorithm, parts.iter().map(|part| &part.sums)).unwrap_or_default()
        };
        match sums.contradicted_by(&given) {
            Some(algorithm) => Err(s3_error!(BadDigest, "the {algorithm} of the whole object is another one")),
            None => Ok(sums),
        }
    }
}

impl State {
    /// The object appears and the upload ends in one step.
    fn finish(&mut self, upload: Upload, version: Version, request: Vec<(i32, String)>) -> S3Result<Completed> {
        let (mut rows, version) = self.place(&upload.bucket, &upload.key, version)?;
        let completed = Completed { etag: version.etag, version: version.id, request };
        let numbers = upload.parts.keys().map(|number| Row::Part(upload.id.clone(), *number, None));
        rows.extend(numbers);
        let ended = Upload { completed: Some(completed.clone()), ..upload };
        let forget = self.settings.forget_completed;
        rows.push(Row::Upload(ended.id.clone(), (!forget).then_some(ended)));
        self.commit(rows);
        Ok(completed)
    }
}

fn number_and_etag(part: &CompletedPart) -> S3Result<(i32, String)> {
    match (part.part_number, &part.e_tag) {
        (Some(number), Some(etag)) => Ok((number, etag.value().to_owned())),
        _ => Err(s3_error!(MalformedXML, "a part without number or ETag")),
    }
}

/// The parts of the request, if they are just those that the server has.
fn chosen<'a>(upload: &'a Upload, asked: &[CompletedPart], request: &[(i32, String)]) -> S3Result<Vec<&'a Part>> {
    if request.is_empty() {
        return Err(s3_error!(MalformedXML, "an object has at least one part"));
    }
    if !request.is_sorted_by(|(one, _), (next, _)| one < next) {
        return Err(s3_error!(InvalidPartOrder, "the list of parts was not in ascending order"));
    }
    let mut parts = Vec::new();
    for (asked, (number, etag)) in asked.iter().zip(request) {
        let is_same = |part: &&Part| part.etag == *etag && part.sums.contradicted_by(&sums_of!(asked)).is_none();
        let part = upload.parts.get(number).filter(is_same);
        parts.push(part.ok_or_else(|| s3_error!(InvalidPart, "part {number} was not found, or with another ETag"))?);
    }
    let consecutive = request.iter().zip(1..).all(|((number, _), expected)| *number == expected);
    match upload.algorithm.is_some() && !consecutive {
        true => Err(s3_error!(InternalError, "with checksums the parts must be numbered without gaps from 1")),
        false => Ok(parts),
    }
}

fn check_sizes(parts: &[&Part], announced: Option<i64>, min: u64) -> S3Result<()> {
    let (_, inner) = parts.split_last().expect("an empty request was refused");
    if let Some(small) = inner.iter().find(|part| part.blob.size < min) {
        return Err(s3_error!(EntityTooSmall, "a part has {} bytes, the least are {min}", small.blob.size));
    }
    let size: u64 = parts.iter().map(|part| part.blob.size).sum();
    match announced.is_some_and(|announced| announced.cast_unsigned() != size) {
        true => Err(s3_error!(InvalidRequest, "the parts have {size} bytes, x-amz-mp-object-size says otherwise")),
        false => Ok(()),
    }
}

fn answer(input: &CompleteMultipartUploadInput, completed: &Completed, sums: &Sums) -> CompleteMultipartUploadOutput {
    let mut output = CompleteMultipartUploadOutput {
        bucket: Some(input.bucket.clone()),
        key: Some(input.key.clone()),
        e_tag: Some(ETag::Strong(completed.etag.clone())),
        version_id: (completed.version != "null").then(|| completed.version.clone()),
        checksum_type: sums.kind().map(|kind| kind.to_owned().into()),
        ..CompleteMultipartUploadOutput::default()
    };
    show_sums!(output, sums);
    output
}
