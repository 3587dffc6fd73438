//! Manifests: the object that makes a snapshot exist.

use minicbor::{Decode, Encode};

use super::header::{ObjectHeader, ObjectType};
use super::index::decode_padded;
use super::{FormatError, padded_len};
use crate::crypto::{
    self, AEAD_OVERHEAD, CERTIFICATE_LEN, Certificate, KeySlot, MachineKeys, ReadKeys, SIGNATURE_LEN, SLOT_LEN,
    SealingSlot, Serial, VerifyingKey,
};
use crate::model::{ChunkId, ListedRoot, MachineId, ObjectHash, RepoId, Seq, Timestamp};

/// header 48 ‖ sequence number u64 ‖ hash of the manifest before 32
const CERTIFICATE_AT: usize = ObjectHeader::LEN + 8 + 32;
/// So many bytes of a manifest prove which machine of which repository it is of.
pub const MANIFEST_CERTIFIED_LEN: usize = CERTIFICATE_AT + CERTIFICATE_LEN;
/// … ‖ certificate 104 ‖ slot 169 ‖ length of the sealed listing u32
const CLEAR_LEN: usize = MANIFEST_CERTIFIED_LEN + SLOT_LEN + 4;
/// The listing is padded to a multiple of this: a handful of roots look alike.
const LISTING_STEP: usize = 512;

/// A root as it was in the snapshot.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct ManifestRoot {
    #[n(0)]
    pub id: String,
    #[cbor(n(1), with = "minicbor::bytes")]
    pub path: Vec<u8>,
    /// `None`: nothing of this root has been stored yet.
    #[n(2)]
    pub tree: Option<ChunkId>,
    #[n(3)]
    pub entries: u64,
    /// Sum of the sizes of its files.
    #[n(4)]
    pub bytes: u64,
    /// How it was read: "btrfs", "live", …
    #[n(5)]
    pub frozen_by: String,
    /// Whether the tree holds all of the root (false in partial snapshots).
    #[n(6)]
    pub complete: bool,
    /// All that changed before it is in the tree; `None` while nothing can be promised.
    #[n(7)]
    pub recovery_point: Option<Timestamp>,
}

#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct ManifestProblem {
    #[n(0)]
    pub code: String,
    #[cbor(n(1), with = "minicbor::bytes")]
    pub path: Vec<u8>,
    #[n(2)]
    pub message: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Encode, Decode)]
#[cbor(map)]
pub struct ManifestStats {
    /// Files whose content was read in this run.
    #[n(0)]
    pub files_read: u64,
    #[n(1)]
    pub bytes_read: u64,
    /// Bytes of packs and index objects that the run stored.
    #[n(2)]
    pub bytes_stored: u64,
}

/// What is under the content key.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct ManifestBody {
    #[n(0)]
    pub started: Timestamp,
    #[n(1)]
    pub finished: Timestamp,
    #[n(2)]
    pub host: String,
    #[n(3)]
    pub roots: Vec<ManifestRoot>,
    #[n(4)]
    pub program: String,
    /// A long first backup commits what it has so far.
    #[n(5)]
    pub partial: bool,
    /// How many there were; `problems` lists the first of them.
    #[n(6)]
    pub problem_count: u64,
    #[n(7)]
    pub problems: Vec<ManifestProblem>,
    #[n(8)]
    pub stats: ManifestStats,
    /// Name of the object with the configuration that the run worked with.
    #[n(9)]
    pub config: Option<ObjectHash>,
}

/// A manifest that was read and whose signature and encryption hold.
#[derive(Clone, PartialEq, Debug)]
pub struct Manifest {
    pub machine: MachineId,
    pub seq: Seq,
    pub previous: ObjectHash,
    /// Of the machine's key that signed it.
    pub serial: Serial,
    pub body: ManifestBody,
}

/// A manifest whose signature and place are right; nothing of it has been decrypted.
pub struct VerifiedManifest<'b> {
    pub previous: ObjectHash,
    pub certificate: Certificate,
    clear: &'b [u8],
    listing: &'b [u8],
    body: &'b [u8],
}

/// Object = clear part ‖ listing for the machine ‖ body for the recovery secret ‖ signature 64, the two sealed as
/// nonce 24 ‖ AEAD(CBOR ‖ zeros) with the clear part as associated data.
pub fn seal_manifest(body: &ManifestBody, seq: Seq, previous: ObjectHash, keys: &MachineKeys) -> Vec<u8> {
    let slot = SealingSlot::create(keys);
    let listing = listing_plain(body, keys);
    let header = ObjectHeader { kind: ObjectType::Manifest, repo: keys.repo_id, machine: keys.machine_id };
    let mut out = Vec::with_capacity(4096);
    out.extend_from_slice(&header.encode());
    out.extend_from_slice(&seq.0.to_le_bytes());
    out.extend_from_slice(previous.as_bytes());
    out.extend_from_slice(&keys.certificate.encode());
    out.extend_from_slice(&slot.slot.encode());
    out.extend_from_slice(&((listing.len() + AEAD_OVERHEAD) as u32).to_le_bytes());
    let (about_listing, about_body) = (about("rozen.v1/manifest-listing", &out), about("rozen.v1/manifest", &out));
    out.extend_from_slice(&keys.listing().seal(&about_listing, &listing));
    let mut plain = minicbor::to_vec(body).expect("writing to a vector cannot fail");
    let overhead = out.len() + AEAD_OVERHEAD + SIGNATURE_LEN;
    plain.resize(padded_len((plain.len() + overhead) as u64) as usize - overhead, 0);
    out.extend_from_slice(&slot.object.seal(&about_body, &plain));
    let signature = keys.signing.sign(&signed_text(&out));
    out.extend_from_slice(&signature);
    out
}

/// `seq` is the one of the object's name: a manifest under another name is refused.
pub fn open_manifest(bytes: &[u8], seq: Seq, machine: &MachineId, keys: &ReadKeys) -> Result<Manifest, FormatError> {
    let verified = verify_manifest(bytes, seq, &keys.repo_id, machine, &keys.admin_verifying())?;
    let slot = KeySlot::decode(&verified.clear[MANIFEST_CERTIFIED_LEN..][..SLOT_LEN])?.open(keys)?;
    let plain = slot.object.open(&about("rozen.v1/manifest", verified.clear), verified.body)?;
    let VerifiedManifest { previous, certificate, .. } = verified;
    Ok(Manifest { machine: *machine, seq, previous, serial: certificate.serial, body: decode_padded(&plain)? })
}

/// Did this machine sign it as its snapshot `seq`, with a key that the admin certified? Needs no key that reads.
pub fn verify_manifest<'b>(
    bytes: &'b [u8],
    seq: Seq,
    repo: &RepoId,
    machine: &MachineId,
    admin: &VerifyingKey,
) -> Result<VerifiedManifest<'b>, FormatError> {
    let (header, rest) = ObjectHeader::decode(ObjectType::Manifest, repo, bytes)?;
    if header.machine != *machine {
        return Err(FormatError::WrongMachine { found: header.machine.to_string(), expected: machine.to_string() });
    }
    let needed = CLEAR_LEN + 2 * AEAD_OVERHEAD + SIGNATURE_LEN;
    if bytes.len() < needed {
        return Err(FormatError::Truncated { len: bytes.len() as u64, needed: needed as u64 });
    }
    let certificate = Certificate::open(&bytes[CERTIFICATE_AT..MANIFEST_CERTIFIED_LEN], admin, repo, machine)?;
    let (signed, signature) = bytes.split_at(bytes.len() - SIGNATURE_LEN);
    certificate.signing.verify(&signed_text(signed), signature)?;
    let found = Seq(u64::from_le_bytes(rest[..8].try_into().expect("8 bytes")));
    if found != seq {
        return Err(FormatError::Damaged("its sequence number is not the one of its name"));
    }
    let (clear, sealed) = signed.split_at(CLEAR_LEN);
    let listing_len = u32::from_le_bytes(clear[CLEAR_LEN - 4..].try_into().expect("4 bytes"));
    let parts = sealed.split_at_checked(listing_len as usize);
    let (listing, body) = parts.ok_or(FormatError::Damaged("its listing is longer than the whole"))?;
    let previous = ObjectHash::from_slice(&rest[8..40]).expect("32 bytes");
    Ok(VerifiedManifest { previous, certificate, clear, listing, body })
}

/// The certificate in the first [`MANIFEST_CERTIFIED_LEN`] bytes. It proves what the header says, not the rest of the manifest.
pub fn certificate_of_manifest(bytes: &[u8], admin: &VerifyingKey) -> Result<(ObjectHeader, Certificate), FormatError> {
    let (header, _) = ObjectHeader::claims(ObjectType::Manifest, bytes)?;
    let (len, needed) = (bytes.len() as u64, MANIFEST_CERTIFIED_LEN as u64);
    let certificate =
        bytes.get(CERTIFICATE_AT..MANIFEST_CERTIFIED_LEN).ok_or(FormatError::Truncated { len, needed })?;
    Ok((header, Certificate::open(certificate, admin, &header.repo, &header.machine)?))
}

impl VerifiedManifest<'_> {
    /// How it lists the machine's roots.
    pub fn listing(&self, keys: &MachineKeys) -> Result<Vec<ListedRoot>, FormatError> {
        let plain = keys.listing().open(&about("rozen.v1/manifest-listing", self.clear), self.listing)?;
        decode_padded(&plain)
    }
}

impl ManifestRoot {
    /// The same in the words that the machine can read again.
    pub fn listed(&self, keys: &MachineKeys) -> ListedRoot {
        let Self { tree, entries, bytes, complete, recovery_point, .. } = *self;
        ListedRoot { tag: keys.id.root_tag(&self.id), tree, entries, bytes, complete, recovery_point }
    }
}

fn listing_plain(body: &ManifestBody, keys: &MachineKeys) -> Vec<u8> {
    let listing: Vec<ListedRoot> = body.roots.iter().map(|root| root.listed(keys)).collect();
    let mut plain = minicbor::to_vec(listing).expect("writing to a vector cannot fail");
    plain.resize(plain.len().next_multiple_of(LISTING_STEP), 0);
    plain
}

fn about(label: &str, clear: &[u8]) -> Vec<u8> {
    crypto::fields(label, &[clear])
}

fn signed_text(signed: &[u8]) -> Vec<u8> {
    crypto::fields("rozen.v1/manifest-signature", &[&crypto::hash(signed).0])
}
