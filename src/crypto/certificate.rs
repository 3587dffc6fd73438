//! Certificates: the admin's word that a machine signs with a key (docs/format.md, "Certificates"). One proves itself,
//! wherever it stands, to whoever knows the admin key: the repository and the machine are part of what is signed.

use std::collections::BTreeMap;
use std::fmt;

use super::CryptoError;
use super::hash::fields;
use super::sign::{SIGNATURE_LEN, SigningKey, VerifyingKey};
use crate::model::{MachineId, RepoId};

/// serial u32 ‖ epoch u32 ‖ signing public key 32 ‖ signature 64
pub const CERTIFICATE_LEN: usize = 4 + 4 + 32 + SIGNATURE_LEN;

/// Counts the signing keys of one machine, from 1: a recovered machine gets a new one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize)]
#[serde(transparent)]
pub struct Serial(pub u32);

impl Serial {
    pub const FIRST: Serial = Serial(1);

    /// `None` behind the last: four thousand million recoveries.
    pub fn next(self) -> Option<Serial> {
        self.0.checked_add(1).map(Serial)
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Made by [`Certificate::issue`] or checked by [`Certificate::open`]: one that exists is right.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Certificate {
    pub serial: Serial,
    pub epoch: u32,
    pub signing: VerifyingKey,
    signature: [u8; SIGNATURE_LEN],
}

impl Certificate {
    pub(super) fn issue(
        admin: &SigningKey,
        repo: &RepoId,
        machine: &MachineId,
        (serial, epoch): (Serial, u32),
        signing: VerifyingKey,
    ) -> Self {
        let signature = admin.sign(&signed_text(repo, machine, serial, epoch, &signing));
        Self { serial, epoch, signing, signature }
    }

    pub fn encode(&self) -> [u8; CERTIFICATE_LEN] {
        let mut out = [0; CERTIFICATE_LEN];
        out[..4].copy_from_slice(&self.serial.0.to_le_bytes());
        out[4..8].copy_from_slice(&self.epoch.to_le_bytes());
        out[8..40].copy_from_slice(self.signing.as_bytes());
        out[40..].copy_from_slice(&self.signature);
        out
    }

    /// Checks the admin's signature for this machine of this repository.
    pub fn open(bytes: &[u8], admin: &VerifyingKey, repo: &RepoId, machine: &MachineId) -> Result<Self, CryptoError> {
        let bytes: &[u8; CERTIFICATE_LEN] = bytes.try_into().map_err(|_| CryptoError::Length("a certificate"))?;
        let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("4 bytes"));
        let (serial, epoch) = (Serial(number(0)), number(4));
        let signing = VerifyingKey::from_slice(&bytes[8..40]).expect("32 bytes");
        let signature = bytes[40..].try_into().expect("64 bytes");
        admin.verify(&signed_text(repo, machine, serial, epoch, &signing), &bytes[40..])?;
        Ok(Self { serial, epoch, signing, signature })
    }
}

fn signed_text(repo: &RepoId, machine: &MachineId, serial: Serial, epoch: u32, signing: &VerifyingKey) -> Vec<u8> {
    let (serial, epoch) = (serial.0.to_le_bytes(), epoch.to_le_bytes());
    let parts: [&[u8]; 5] = [repo.as_bytes(), machine.as_bytes(), &serial, &epoch, signing.as_bytes()];
    fields("rozen.v1/certificate", &parts)
}

/// The keys that a machine signs with, each by its certificate.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Signers(BTreeMap<Serial, VerifyingKey>);

impl Signers {
    pub fn insert(&mut self, certificate: &Certificate) {
        self.0.insert(certificate.serial, certificate.signing);
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn knows(&self, serial: Serial) -> bool {
        self.0.contains_key(&serial)
    }

    /// Of the newest key.
    pub fn last(&self) -> Option<Serial> {
        self.0.keys().next_back().copied()
    }

    /// Serials count without gaps: those up to the last that are not known.
    pub fn missing(&self) -> impl Iterator<Item = Serial> + '_ {
        let last = self.last().map_or(0, |serial| serial.0);
        (1..=last).map(Serial).filter(|serial| !self.0.contains_key(serial))
    }

    /// Did this machine sign it, with any of its keys?
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        // newest first: most objects are of the key in use
        let is_signed = self.0.values().rev().any(|key| key.verify(message, signature).is_ok());
        is_signed.then_some(()).ok_or(CryptoError::Signature)
    }
}

impl FromIterator<Certificate> for Signers {
    fn from_iter<I: IntoIterator<Item = Certificate>>(certificates: I) -> Self {
        Self(certificates.into_iter().map(|certificate| (certificate.serial, certificate.signing)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{MachineKeys, RecoverySecret};

    const REPO: RepoId = RepoId([3; 16]);

    fn sample() -> (RecoverySecret, MachineKeys) {
        let secret = RecoverySecret::generate();
        let keys = MachineKeys::generate(&secret, REPO, 1);
        (secret, keys)
    }

    #[test]
    fn a_changed_bit_anywhere_in_a_certificate_is_found() {
        let (_, keys) = sample();
        let bytes = keys.certificate.encode();
        let open = |bytes: &[u8]| Certificate::open(bytes, &keys.admin, &REPO, &keys.machine_id);
        assert_eq!(open(&bytes), Ok(keys.certificate));
        for bit in 0..bytes.len() * 8 {
            let mut altered = bytes;
            altered[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&altered).is_err(), "bit {bit}");
        }
        assert!(open(&bytes[1..]).is_err());
    }

    #[test]
    fn a_certificate_holds_for_its_own_repository_machine_and_admin_only() {
        let (_, keys) = sample();
        let bytes = keys.certificate.encode();
        let stranger = RecoverySecret::generate().admin_signing().verifying();
        assert!(Certificate::open(&bytes, &keys.admin, &RepoId([4; 16]), &keys.machine_id).is_err());
        assert!(Certificate::open(&bytes, &keys.admin, &REPO, &MachineId([4; 16])).is_err());
        assert!(Certificate::open(&bytes, &stranger, &REPO, &keys.machine_id).is_err());
    }

    #[test]
    fn what_a_machine_signed_holds_by_any_of_its_keys() {
        let (secret, first) = sample();
        let second = MachineKeys::succeed(&secret, &secret.read_keys(REPO, 1), first.machine_id, Serial(2));
        assert_eq!((second.machine_id, second.certificate.serial), (first.machine_id, Serial(2)));
        let signers: Signers = [first.certificate, second.certificate].into_iter().collect();
        for keys in [&first, &second] {
            assert!(signers.verify(b"x", &keys.signing.sign(b"x")).is_ok());
        }
        assert!(signers.verify(b"x", &sample().1.signing.sign(b"x")).is_err());
        assert!(Signers::default().verify(b"x", &first.signing.sign(b"x")).is_err());
    }

    #[test]
    fn a_gap_between_serials_is_seen() {
        let (secret, first) = sample();
        let third = MachineKeys::succeed(&secret, &secret.read_keys(REPO, 1), first.machine_id, Serial(3));
        let signers: Signers = [third.certificate].into_iter().collect();
        assert_eq!(signers.missing().collect::<Vec<_>>(), [Serial(1), Serial(2)]);
        assert_eq!((signers.last(), Signers::default().missing().count()), (Some(Serial(3)), 0));
    }
}
