//! Bytes on their way: from a request into a file, checked; from files into an answer.

use std::fs::File;
use std::future::poll_fn;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};

use aws_smithy_types::base64;
use hyper::HeaderMap;
use hyper::body::{Body as _, Bytes, Frame};
use s3s::dto::StreamingBlob;
use s3s::{Body, S3Error, S3Result, StdError, TrailingHeaders, s3_error};

use super::state::Blob;
use super::store::Fake;
use super::sums::{Hasher, Sums};

/// As much as is read from a file at once.
const STEP: usize = 128 << 10;

/// What a request says about the body that it sends.
pub struct Announced<'a> {
    pub headers: &'a HeaderMap,
    pub trailers: Option<TrailingHeaders>,
    pub md5: Option<&'a str>,
    pub length: Option<i64>,
    /// Computed also when the request gives no value.
    pub algorithm: Option<&'a str>,
}

/// A body that was received whole and is what the request said.
pub struct Stored {
    pub blob: Blob,
    pub md5: [u8; 16],
    pub sums: Sums,
}

impl Fake {
    /// Bytes of a request that is refused or cut off are removed.
    pub async fn receive(&self, body: Option<StreamingBlob>, announced: Announced<'_>) -> S3Result<Stored> {
        let (blob, file) = self.new_blob().map_err(S3Error::internal_error)?;
        let received = receive(body, &announced, file).await;
        let checked = received.and_then(|(size, hasher)| announced.check(size, hasher));
        match checked {
            Ok((size, sums, md5)) => Ok(Stored { blob: Blob { size, ..blob }, md5, sums }),
            Err(error) => {
                self.discard([&blob]);
                Err(error)
            }
        }
    }

    /// Bytes of an object as the body of an answer.
    pub fn body(&self, blobs: &[Blob], range: Range<u64>) -> StreamingBlob {
        let mut pieces = Vec::new();
        let mut start = 0;
        for blob in blobs {
            let (from, to) = (range.start.max(start), range.end.min(start + blob.size));
            if from < to {
                pieces.push((self.path(blob), from - start, to - from));
            }
            start += blob.size;
        }
        pieces.reverse();
        let left = range.end.saturating_sub(range.start);
        StreamingBlob::from(Body::http_body_unsync(Files { pieces, open: None, left }))
    }

    /// The checksum of all bytes together.
    pub fn sum(&self, blobs: &[Blob], algorithm: &str) -> io::Result<Sums> {
        let mut hasher = Hasher::new([algorithm]);
        let mut buffer = vec![0; STEP];
        for blob in blobs {
            let mut file = File::open(self.path(blob))?;
            loop {
                match file.read(&mut buffer)? {
                    0 => break,
                    len => hasher.update(&buffer[..len]),
                }
            }
        }
        Ok(hasher.finish().0)
    }
}

async fn receive(body: Option<StreamingBlob>, said: &Announced<'_>, mut file: File) -> S3Result<(u64, Hasher)> {
    let mut hasher = Hasher::new(said.algorithms().iter().map(String::as_str));
    let mut size = 0;
    let Some(body) = body else { return Ok((0, hasher)) };
    let mut body = Body::from(body);
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let Ok(bytes) = frame.map_err(cut_off)?.into_data() else { continue };
        file.write_all(&bytes).map_err(S3Error::internal_error)?;
        hasher.update(&bytes);
        size += bytes.len() as u64;
    }
    Ok((size, hasher))
}

/// The crate tells these apart only in words.
fn cut_off(error: StdError) -> S3Error {
    let text = error.to_string();
    if text.contains("Sha256Mismatch") {
        let mut error = S3Error::new("XAmzContentSHA256Mismatch".parse().expect("every text is a code"));
        error.set_status_code(hyper::StatusCode::BAD_REQUEST);
        return error;
    }
    match text.contains("SignatureMismatch") {
        true => s3_error!(SignatureDoesNotMatch, "{text}"),
        false => s3_error!(IncompleteBody, "{text}"),
    }
}

impl Announced<'_> {
    /// CRC64NVME is what S3 keeps when nothing is said.
    fn algorithms(&self) -> Vec<String> {
        let given = Sums::from_headers(self.headers).values.into_keys();
        let trailing = self.headers.get("x-amz-trailer").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let trailing = trailing.split(',').filter_map(|name| name.trim().strip_prefix("x-amz-checksum-"));
        let mut all: Vec<String> = given.chain(trailing.map(str::to_uppercase)).collect();
        all.extend(self.algorithm.map(str::to_owned));
        if all.is_empty() {
            all.push("CRC64NVME".to_owned());
        }
        all
    }

    fn check(&self, size: u64, hasher: Hasher) -> S3Result<(u64, Sums, [u8; 16])> {
        let (sums, md5) = hasher.finish();
        if self.length.is_some_and(|length| length.cast_unsigned() != size) {
            return Err(s3_error!(IncompleteBody, "{size} bytes came, others were announced"));
        }
        let trailing = self.trailers.as_ref().and_then(|trailers| trailers.read(Sums::from_headers));
        for given in [Some(Sums::from_headers(self.headers)), trailing].into_iter().flatten() {
            if let Some(algorithm) = sums.contradicted_by(&given) {
                return Err(s3_error!(BadDigest, "the {algorithm} you specified did not match the calculated one"));
            }
        }
        self.check_md5(md5)?;
        Ok((size, sums, md5))
    }

    fn check_md5(&self, md5: [u8; 16]) -> S3Result<()> {
        let Some(given) = self.md5 else { return Ok(()) };
        let decoded = base64::decode(given).map_err(|_| s3_error!(InvalidDigest, "Content-MD5 is no base64"))?;
        match decoded == md5 {
            true => Ok(()),
            false => Err(s3_error!(BadDigest, "the Content-MD5 you specified did not match what was received")),
        }
    }
}

/// Pieces of files one after the other, the next one last.
struct Files {
    pieces: Vec<(PathBuf, u64, u64)>,
    open: Option<io::Take<File>>,
    left: u64,
}

impl Files {
    fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            if let Some(file) = &mut self.open {
                let mut bytes = vec![0; STEP];
                let len = file.read(&mut bytes)?;
                if len > 0 {
                    bytes.truncate(len);
                    self.left -= len as u64;
                    return Ok(Some(bytes.into()));
                }
            }
            let Some((path, start, len)) = self.pieces.pop() else { return Ok(None) };
            let mut file = File::open(path)?;
            file.seek(SeekFrom::Start(start))?;
            self.open = Some(file.take(len));
        }
    }
}

impl hyper::body::Body for Files {
    type Data = Bytes;
    type Error = StdError;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, StdError>>> {
        Poll::Ready(self.next().map_err(StdError::from).transpose().map(|bytes| bytes.map(Frame::data)))
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        hyper::body::SizeHint::with_exact(self.left)
    }
}
