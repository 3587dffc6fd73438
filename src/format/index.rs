//! Index objects: which frames and which small files are in which packs. Sealed under the index key, signed.

use minicbor::{Decode, Encode};

use super::header::{ObjectHeader, ObjectType};
use super::{FormatError, padded_len};
use crate::crypto::{self, IndexKey, Purpose, SIGNATURE_LEN, Signers, SigningKey};
use crate::model::{ChunkId, FileId, MachineId, ObjectHash, RepoId};

/// One frame of a pack. Frames follow each other without a gap, so offsets are sums of lengths.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(array)]
pub struct IndexedFrame {
    #[n(0)]
    pub id: ChunkId,
    /// Frame kind (docs/format.md, "Frames").
    #[n(1)]
    pub kind: u8,
    /// Length of the frame in the pack, in bytes.
    #[n(2)]
    pub len: u32,
    /// Length of the plain content, in bytes.
    #[n(3)]
    pub raw_len: u32,
}

/// A small file in a bundle.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MemberRow {
    pub id: FileId,
    pub len: u32,
}

/// The files of one bundle in the order of their bytes: offsets are sums of lengths.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(array)]
pub struct BundleMembers {
    /// Position of the bundle among the frames of its pack.
    #[n(0)]
    pub frame: u32,
    /// 20 bytes each: id 16 ‖ length u32, little-endian.
    #[cbor(n(1), with = "minicbor::bytes")]
    rows: Vec<u8>,
}

impl BundleMembers {
    const ROW: usize = 20;

    pub fn new(frame: u32, members: &[MemberRow]) -> Self {
        let rows = members.iter().flat_map(|m| m.id.0.into_iter().chain(m.len.to_le_bytes())).collect();
        Self { frame, rows }
    }

    /// With the offset of each in the bundle. Bytes that do not fill a row are ignored.
    pub fn members(&self) -> impl Iterator<Item = (MemberRow, u32)> + '_ {
        let mut offset = 0u32;
        self.rows.chunks_exact(Self::ROW).map(move |row| {
            let id = FileId::from_slice(&row[..16]).expect("16 bytes");
            let len = u32::from_le_bytes(row[16..].try_into().expect("4 bytes"));
            let at = offset;
            offset = offset.saturating_add(len);
            (MemberRow { id, len }, at)
        })
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(array)]
pub struct IndexedPack {
    #[n(0)]
    pub hash: ObjectHash,
    /// Whether it lies under `trees/` (else `packs/`).
    #[n(1)]
    pub is_tree: bool,
    /// Length of the object in bytes.
    #[n(2)]
    pub size: u64,
    /// Where the first frame begins.
    #[n(3)]
    pub first_frame: u32,
    #[n(4)]
    pub frames: Vec<IndexedFrame>,
    #[n(5)]
    pub members: Vec<BundleMembers>,
}

impl IndexedPack {
    /// Each frame with its offset in the pack.
    pub fn located(&self) -> impl Iterator<Item = (IndexedFrame, u64)> + '_ {
        let mut offset = u64::from(self.first_frame);
        self.frames.iter().map(move |frame| {
            let at = offset;
            offset += u64::from(frame.len);
            (*frame, at)
        })
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Default, Encode, Decode)]
#[cbor(map)]
pub struct IndexBody {
    #[n(0)]
    pub packs: Vec<IndexedPack>,
}

/// Object = header ‖ nonce 24 ‖ AEAD(CBOR ‖ zeros, ad = D("rozen.v1/index", header)) ‖ signature 64.
pub fn seal_index(body: &IndexBody, repo: RepoId, machine: MachineId, key: &IndexKey, signing: &SigningKey) -> Vec<u8> {
    let header = ObjectHeader { kind: ObjectType::Index, repo, machine }.encode();
    let mut plain = minicbor::to_vec(body).expect("writing to a vector cannot fail");
    let overhead = header.len() + crypto::AEAD_OVERHEAD + SIGNATURE_LEN;
    plain.resize(padded_len((plain.len() + overhead) as u64) as usize - overhead, 0);
    let sealed = key.seal(Purpose::Index, &crypto::fields("rozen.v1/index", &[&header]), &plain);
    let signature = signing.sign(&signed_text(&header, &sealed));
    [&header[..], &sealed, &signature].concat()
}

/// `signers` are the machine's keys; `None` skips the signature (the AEAD still holds).
pub fn open_index(
    bytes: &[u8],
    repo: &RepoId,
    key: &IndexKey,
    signers: Option<&Signers>,
) -> Result<IndexBody, FormatError> {
    let (_, rest) = ObjectHeader::decode(ObjectType::Index, repo, bytes)?;
    let header = &bytes[..ObjectHeader::LEN];
    let needed = (ObjectHeader::LEN + crypto::AEAD_OVERHEAD + SIGNATURE_LEN) as u64;
    let sealed_len = rest
        .len()
        .checked_sub(SIGNATURE_LEN)
        .filter(|len| *len >= crypto::AEAD_OVERHEAD)
        .ok_or(FormatError::Truncated { len: bytes.len() as u64, needed })?;
    let (sealed, signature) = rest.split_at(sealed_len);
    if let Some(signers) = signers {
        signers.verify(&signed_text(header, sealed), signature)?;
    }
    let plain = key.open(Purpose::Index, &crypto::fields("rozen.v1/index", &[header]), sealed)?;
    decode_padded(&plain)
}

fn signed_text(header: &[u8], sealed: &[u8]) -> Vec<u8> {
    crypto::fields("rozen.v1/index-signature", &[header, &crypto::hash(sealed).0])
}

/// One CBOR item, then zeros only.
pub(super) fn decode_padded<'b, T: Decode<'b, ()>>(plain: &'b [u8]) -> Result<T, FormatError> {
    let mut decoder = minicbor::Decoder::new(plain);
    let value = decoder.decode()?;
    if plain[decoder.position()..].iter().any(|byte| *byte != 0) {
        return Err(FormatError::Damaged("its padding is not zero"));
    }
    Ok(value)
}
