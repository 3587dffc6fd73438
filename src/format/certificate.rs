//! The object that holds a machine's certificate; every manifest of the machine carries the same certificate.

use super::FormatError;
use super::header::{ObjectHeader, ObjectType};
use crate::crypto::{CERTIFICATE_LEN, Certificate, MachineKeys, VerifyingKey};

/// All have this length: header 48 ‖ certificate 104.
pub const CERTIFICATE_OBJECT_LEN: usize = ObjectHeader::LEN + CERTIFICATE_LEN;

pub fn seal_certificate(keys: &MachineKeys) -> Vec<u8> {
    let header = ObjectHeader { kind: ObjectType::Certificate, repo: keys.repo_id, machine: keys.machine_id };
    [&header.encode()[..], &keys.certificate.encode()].concat()
}

/// The header says which repository and machine it is of; the certificate proves it to whoever knows the admin key.
pub fn open_certificate(bytes: &[u8], admin: &VerifyingKey) -> Result<(ObjectHeader, Certificate), FormatError> {
    let (header, rest) = ObjectHeader::claims(ObjectType::Certificate, bytes)?;
    Ok((header, Certificate::open(rest, admin, &header.repo, &header.machine)?))
}
