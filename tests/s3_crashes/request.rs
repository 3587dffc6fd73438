//! The head of a request, as far as it must be understood to count it.

use std::io::{self, Read};

/// Far more than a client of S3 sends.
const LONGEST_HEAD: usize = 64 << 10;

/// An object as it was on the wire, `/bucket/prefix/name`, and a number.
pub type Part = (String, u32);

pub struct Request {
    /// As it came.
    pub head: Vec<u8>,
    pub body_bytes: u64,
    /// Such as `PutObject`.
    pub operation: String,
    /// Its body becomes an object or a part.
    pub is_stored: bool,
    /// Which part, where it is one.
    pub part: Option<Part>,
}

impl Request {
    /// `None` when the connection has ended between two requests.
    pub fn read(from: &mut impl Read) -> io::Result<Option<Self>> {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            if from.read(&mut byte)? == 0 {
                return Ok(None);
            }
            head.push(byte[0]);
            if head.len() > LONGEST_HEAD {
                return Err(io::Error::other("a head without an end"));
            }
        }
        let text = String::from_utf8_lossy(&head).into_owned();
        let mut words = text.split(' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let operation = operation(method, target);
        let is_stored = ["PutObject", "UploadPart"].contains(&operation.as_str());
        Ok(Some(Self { body_bytes: body_bytes(&text)?, head, operation, is_stored, part: part(target) }))
    }
}

fn part(target: &str) -> Option<Part> {
    let (path, query) = target.split_once('?')?;
    let number = query.split('&').find_map(|pair| pair.strip_prefix("partNumber="))?;
    Some((path.to_owned(), number.parse().ok()?))
}

fn body_bytes(head: &str) -> io::Result<u64> {
    let value = |name: &str| {
        let fields = head.lines().filter_map(|line| line.split_once(':'));
        fields.into_iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    };
    match (value("content-length"), value("transfer-encoding")) {
        (Some(length), None) => length.parse().map_err(io::Error::other),
        (None, None) => Ok(0),
        (_, Some(encoding)) => Err(io::Error::other(format!("a body in {encoding} encoding is not counted here"))),
    }
}

/// As S3 names it.
fn operation(method: &str, target: &str) -> String {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let has = |name: &str| query.split('&').any(|pair| pair.split('=').next() == Some(name));
    let of_object = path.trim_matches('/').contains('/');
    let name = match (method, of_object) {
        ("PUT", true) if has("partNumber") => "UploadPart",
        ("PUT", true) => "PutObject",
        ("POST", true) if has("uploads") => "CreateMultipartUpload",
        ("POST", true) if has("uploadId") => "CompleteMultipartUpload",
        ("DELETE", true) if has("uploadId") => "AbortMultipartUpload",
        ("DELETE", true) => "DeleteObject",
        ("GET", true) if has("uploadId") => "ListParts",
        ("GET", true) => "GetObject",
        ("HEAD", true) => "HeadObject",
        ("HEAD", false) => "HeadBucket",
        ("GET", false) if has("uploads") => "ListMultipartUploads",
        ("GET", false) if has("list-type") => "ListObjectsV2",
        _ => return format!("{method} {target}"),
    };
    name.to_owned()
}

#[test]
fn requests_are_named_as_s3_names_them() {
    let put = b"PUT /bucket/a/b?x-id=UploadPart&partNumber=3&uploadId=u HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\n\r\nand more";
    let request = Request::read(&mut &put[..]).unwrap().unwrap();
    assert_eq!((request.operation.as_str(), request.body_bytes, request.is_stored), ("UploadPart", 7, true));
    assert_eq!(request.part, Some(("/bucket/a/b".to_owned(), 3)));
    assert!(request.head.ends_with(b"\r\n\r\n"));
    assert_eq!(operation("GET", "/bucket/?list-type=2&prefix=x"), "ListObjectsV2");
    assert_eq!(operation("POST", "/bucket/key?uploads"), "CreateMultipartUpload");
    assert!(Request::read(&mut &b""[..]).unwrap().is_none());
}
