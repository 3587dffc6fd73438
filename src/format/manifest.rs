//! Manifests: the object that makes a snapshot exist.

use minicbor::{Decode, Encode};

use super::header::{ObjectHeader, ObjectType};
use super::index::decode_padded;
use super::{FormatError, padded_len};
use crate::crypto::{self, KeySlot, MachineKeys, ReadKeys, SIGNATURE_LEN, SLOT_LEN, SealingSlot, VerifyingKey};
use crate::model::{ChunkId, MachineId, ObjectHash, RepoId, Seq, Timestamp};

/// header 48 ‖ sequence number u64 ‖ hash of the manifest before 32 ‖ slot 169
const CLEAR_LEN: usize = ObjectHeader::LEN + 8 + 32 + SLOT_LEN;

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
}

/// A manifest that was read and whose signature and encryption hold.
#[derive(Clone, PartialEq, Debug)]
pub struct Manifest {
    pub machine: MachineId,
    pub seq: Seq,
    pub previous: ObjectHash,
    pub body: ManifestBody,
}

/// Object = clear part ‖ nonce 24 ‖ AEAD(CBOR ‖ zeros, object key, ad = D("rozen.v1/manifest", clear part)) ‖ signature 64.
pub fn seal_manifest(body: &ManifestBody, seq: Seq, previous: ObjectHash, keys: &MachineKeys) -> Vec<u8> {
    let slot = SealingSlot::create(keys);
    let header = ObjectHeader { kind: ObjectType::Manifest, repo: keys.repo_id, machine: keys.machine_id };
    let mut out = Vec::with_capacity(4096);
    out.extend_from_slice(&header.encode());
    out.extend_from_slice(&seq.0.to_le_bytes());
    out.extend_from_slice(previous.as_bytes());
    out.extend_from_slice(&slot.slot.encode());
    let mut plain = minicbor::to_vec(body).expect("writing to a vector cannot fail");
    let overhead = CLEAR_LEN + crypto::AEAD_OVERHEAD + SIGNATURE_LEN;
    plain.resize(padded_len((plain.len() + overhead) as u64) as usize - overhead, 0);
    let sealed = slot.object.seal(&crypto::fields("rozen.v1/manifest", &[&out]), &plain);
    out.extend_from_slice(&sealed);
    let signature = keys.signing.sign(&signed_text(&out));
    out.extend_from_slice(&signature);
    out
}

/// `seq` is the one of the object's name: a manifest under another name is refused.
pub fn open_manifest(
    bytes: &[u8],
    seq: Seq,
    machine: &MachineId,
    verifying: &VerifyingKey,
    keys: &ReadKeys,
) -> Result<Manifest, FormatError> {
    let previous = verify_manifest(bytes, seq, &keys.repo_id, machine, verifying)?;
    let (clear, rest) = bytes.split_at(CLEAR_LEN);
    let sealed = &rest[..rest.len() - SIGNATURE_LEN];
    let slot = KeySlot::decode(&clear[CLEAR_LEN - SLOT_LEN..])?.open(keys)?;
    let plain = slot.object.open(&crypto::fields("rozen.v1/manifest", &[clear]), sealed)?;
    Ok(Manifest { machine: *machine, seq, previous, body: decode_padded(&plain)? })
}

/// Did this machine sign it as its snapshot `seq`? Needs no key that reads. Gives the hash of the manifest before.
pub fn verify_manifest(
    bytes: &[u8],
    seq: Seq,
    repo: &RepoId,
    machine: &MachineId,
    verifying: &VerifyingKey,
) -> Result<ObjectHash, FormatError> {
    let (header, rest) = ObjectHeader::decode(ObjectType::Manifest, repo, bytes)?;
    if header.machine != *machine {
        return Err(FormatError::WrongMachine { found: header.machine.to_string(), expected: machine.to_string() });
    }
    let needed = CLEAR_LEN + crypto::AEAD_OVERHEAD + SIGNATURE_LEN;
    if bytes.len() < needed {
        return Err(FormatError::Truncated { len: bytes.len() as u64, needed: needed as u64 });
    }
    let (signed, signature) = bytes.split_at(bytes.len() - SIGNATURE_LEN);
    verifying.verify(&signed_text(signed), signature)?;
    let found = Seq(u64::from_le_bytes(rest[..8].try_into().expect("8 bytes")));
    if found != seq {
        return Err(FormatError::Damaged("its sequence number is not the one of its name"));
    }
    Ok(ObjectHash::from_slice(&rest[8..40]).expect("32 bytes"))
}

fn signed_text(signed: &[u8]) -> Vec<u8> {
    crypto::fields("rozen.v1/manifest-signature", &[&crypto::hash(signed).0])
}
