//! Packs: clear header with a key slot, frames, directory, footer. Docs/format.md, "Packs".

use super::header::{ObjectHeader, ObjectType};
use super::index::{IndexedFrame, decode_padded};
use super::{FormatError, padded_len};
use crate::crypto::{self, IndexKey, KeySlot, Purpose, SIGNATURE_LEN, SLOT_LEN, Signers, SigningKey};
use crate::model::{MachineId, ObjectHash, RepoId};

/// header 48 ‖ slots u16 ‖ zero u16 ‖ header length u32 ‖ slots ‖ hash of all before 32
const FIXED_LEN: usize = ObjectHeader::LEN + 8;
const HASH_LEN: usize = 32;
/// More slots than this are refused. A new pack has one; copying frames between packs adds more.
pub const MAX_SLOTS: usize = 256;

const FOOTER_PLAIN: usize = 8 + 8 + 4 + 4 + 32 + SIGNATURE_LEN;
/// Length of the footer, the last bytes of every pack.
pub const FOOTER_LEN: usize = FOOTER_PLAIN + crypto::AEAD_OVERHEAD;

/// The clear header of a pack, read or to be written.
#[derive(Clone, Debug)]
pub struct PackLayout {
    pub header: ObjectHeader,
    pub slots: Vec<KeySlot>,
    pub header_hash: ObjectHash,
    /// Where the first frame begins.
    pub header_len: u32,
}

impl PackLayout {
    /// A header for a new pack, and its bytes. `slots`: those of all its frames, each once, 1 … [`MAX_SLOTS`].
    pub fn create(is_tree: bool, repo: RepoId, machine: MachineId, slots: &[KeySlot]) -> (Self, Vec<u8>) {
        debug_assert!((1..=MAX_SLOTS).contains(&slots.len()), "{} slots", slots.len());
        let kind = if is_tree { ObjectType::TreePack } else { ObjectType::DataPack };
        let header = ObjectHeader { kind, repo, machine };
        let header_len = (FIXED_LEN + slots.len() * SLOT_LEN + HASH_LEN) as u32;
        let mut bytes = header.encode().to_vec();
        bytes.extend_from_slice(&(slots.len() as u16).to_le_bytes());
        bytes.extend_from_slice(&0u16.to_le_bytes());
        bytes.extend_from_slice(&header_len.to_le_bytes());
        slots.iter().for_each(|slot| bytes.extend_from_slice(&slot.encode()));
        let header_hash = crypto::hash(&bytes);
        bytes.extend_from_slice(header_hash.as_bytes());
        (Self { header, slots: slots.to_vec(), header_hash, header_len }, bytes)
    }

    /// How many bytes from the beginning of the pack [`PackLayout::decode`] needs for a pack of one slot.
    pub const USUAL_LEN: usize = FIXED_LEN + SLOT_LEN + HASH_LEN;

    pub fn decode(is_tree: bool, repo: &RepoId, bytes: &[u8]) -> Result<Self, FormatError> {
        let kind = if is_tree { ObjectType::TreePack } else { ObjectType::DataPack };
        let (header, rest) = ObjectHeader::decode(kind, repo, bytes)?;
        let truncated = |needed: usize| FormatError::Truncated { len: bytes.len() as u64, needed: needed as u64 };
        let fixed = rest.get(..8).ok_or_else(|| truncated(FIXED_LEN))?;
        let slots = u16::from_le_bytes([fixed[0], fixed[1]]) as usize;
        let header_len = u32::from_le_bytes(fixed[4..8].try_into().expect("4 bytes"));
        let expected = FIXED_LEN + slots * SLOT_LEN + HASH_LEN;
        if slots == 0 || slots > MAX_SLOTS || header_len as usize != expected || fixed[2..4] != [0, 0] {
            return Err(FormatError::Damaged("its header lengths do not fit"));
        }
        let clear = bytes.get(..expected).ok_or_else(|| truncated(expected))?;
        let (hashed, hash) = clear.split_at(expected - HASH_LEN);
        let header_hash = crypto::hash(hashed);
        if header_hash.as_bytes() != hash {
            return Err(FormatError::Damaged("the hash of its header does not fit"));
        }
        let slots = hashed[FIXED_LEN..].chunks_exact(SLOT_LEN).map(KeySlot::decode).collect::<Result<_, _>>()?;
        Ok(Self { header, slots, header_hash, header_len })
    }
}

/// Where the directory lies; the last [`FOOTER_LEN`] bytes of a pack.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Footer {
    pub directory_offset: u64,
    pub directory_len: u64,
    pub frames: u32,
    /// Hash of the sealed directory: it names every frame's chunk by its keyed hash, so signing it signs the content.
    pub directory_hash: ObjectHash,
}

/// The frames of a pack in order.
pub type PackDirectory = Vec<IndexedFrame>;

/// Directory and footer for a pack whose header and frames, `written` bytes, have been written.
///
/// The directory is padded so that the whole pack has a padded length.
pub fn seal_tail(
    layout: &PackLayout,
    frames: &[IndexedFrame],
    written: u64,
    index: &IndexKey,
    signing: &SigningKey,
) -> Vec<u8> {
    let mut plain = minicbor::to_vec(frames).expect("writing to a vector cannot fail");
    let overhead = written + (crypto::AEAD_OVERHEAD + FOOTER_LEN) as u64;
    plain.resize((padded_len(plain.len() as u64 + overhead) - overhead) as usize, 0);
    let mut tail = index.seal(Purpose::Directory, &associated(layout, "rozen.v1/directory"), &plain);
    let footer = Footer {
        directory_offset: written,
        directory_len: tail.len() as u64,
        frames: frames.len() as u32,
        directory_hash: crypto::hash(&tail),
    };
    tail.extend_from_slice(&footer.seal(layout, index, signing));
    tail
}

impl Footer {
    fn seal(&self, layout: &PackLayout, index: &IndexKey, signing: &SigningKey) -> Vec<u8> {
        let mut plain = Vec::with_capacity(FOOTER_PLAIN);
        plain.extend_from_slice(&self.directory_offset.to_le_bytes());
        plain.extend_from_slice(&self.directory_len.to_le_bytes());
        plain.extend_from_slice(&self.frames.to_le_bytes());
        plain.extend_from_slice(&[0; 4]);
        plain.extend_from_slice(self.directory_hash.as_bytes());
        plain.extend_from_slice(&signing.sign(&signed_text(layout, &self.directory_hash)));
        index.seal(Purpose::Footer, &associated(layout, "rozen.v1/footer"), &plain)
    }

    /// `bytes` are the last [`FOOTER_LEN`] of the pack.
    pub fn open(
        bytes: &[u8],
        layout: &PackLayout,
        index: &IndexKey,
        signers: Option<&Signers>,
    ) -> Result<Self, FormatError> {
        let plain = index.open(Purpose::Footer, &associated(layout, "rozen.v1/footer"), bytes)?;
        if plain.len() != FOOTER_PLAIN {
            return Err(FormatError::Damaged("its footer has the wrong length"));
        }
        let number = |at: usize| u64::from_le_bytes(plain[at..at + 8].try_into().expect("8 bytes"));
        let footer = Footer {
            directory_offset: number(0),
            directory_len: number(8),
            frames: u32::from_le_bytes(plain[16..20].try_into().expect("4 bytes")),
            directory_hash: ObjectHash::from_slice(&plain[24..56]).expect("32 bytes"),
        };
        if let Some(signers) = signers {
            signers.verify(&signed_text(layout, &footer.directory_hash), &plain[56..])?;
        }
        Ok(footer)
    }
}

pub fn open_directory(
    bytes: &[u8],
    footer: &Footer,
    layout: &PackLayout,
    index: &IndexKey,
) -> Result<PackDirectory, FormatError> {
    if crypto::hash(bytes) != footer.directory_hash {
        return Err(FormatError::Damaged("its directory is not the one that was signed"));
    }
    let plain = index.open(Purpose::Directory, &associated(layout, "rozen.v1/directory"), bytes)?;
    let frames: PackDirectory = decode_padded(&plain)?;
    let end = frames.iter().map(|frame| u64::from(frame.len)).sum::<u64>() + u64::from(layout.header_len);
    if frames.len() as u64 != u64::from(footer.frames) || end != footer.directory_offset {
        return Err(FormatError::Damaged("its directory does not fit its length"));
    }
    Ok(frames)
}

fn associated(layout: &PackLayout, label: &str) -> Vec<u8> {
    crypto::fields(label, &[layout.header.repo.as_bytes(), layout.header_hash.as_bytes()])
}

fn signed_text(layout: &PackLayout, directory_hash: &ObjectHash) -> Vec<u8> {
    crypto::fields("rozen.v1/pack-signature", &[layout.header_hash.as_bytes(), directory_hash.as_bytes()])
}
