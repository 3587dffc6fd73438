//! Key slots: a fresh pack key for whoever holds the content secret key (docs/format.md, "Key slots").

use sodiumoxide::crypto::box_;
use sodiumoxide::crypto::sealedbox;
use zeroize::Zeroizing;

use super::CryptoError;
use super::hash::{derive, init, random};
use super::keys::{BodyKey, ContentPublicKey, MachineKeys, ObjectKey, Psk, ReadKeys};
use crate::model::{RepoId, SlotId};

const SEALED_PLAIN: usize = 1 + 16 + 16 + 4 + 32;
const SEALED_LEN: usize = SEALED_PLAIN + sealedbox::SEALBYTES;
/// slot id 16 ‖ epoch u32 ‖ commitment 32 ‖ sealed 117
pub const SLOT_LEN: usize = 16 + 4 + 32 + SEALED_LEN;
const SLOT_VERSION: u8 = 1;

/// A slot as it stands in a header.
#[derive(Clone, PartialEq, Eq)]
pub struct KeySlot {
    pub slot_id: SlotId,
    epoch: u32,
    commit: [u8; 32],
    sealed: Vec<u8>,
}

impl std::fmt::Debug for KeySlot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeySlot({})", self.slot_id)
    }
}

/// A new slot together with the keys that it hides; the machine forgets them when it drops this.
pub struct SealingSlot {
    pub slot: KeySlot,
    pub body: BodyKey,
    pub object: ObjectKey,
}

/// What a slot gives to a reader.
pub struct OpenedSlot {
    pub slot_id: SlotId,
    pub body: BodyKey,
    pub object: ObjectKey,
}

impl SealingSlot {
    pub fn create(keys: &MachineKeys) -> Self {
        init();
        let slot_id = SlotId(random());
        let pack_key = Zeroizing::new(random::<32>());
        let bound = Bound { slot_id, repo: keys.repo_id, epoch: keys.epoch };
        let ContentPublicKey(public) = keys.content;
        let sealed = sealedbox::seal(&*bound.plain(&pack_key), &box_::PublicKey(public));
        let slot = KeySlot { slot_id, epoch: keys.epoch, commit: bound.commit(&pack_key), sealed };
        let (body, object) = bound.payload_keys(&keys.psk, &pack_key);
        Self { slot, body, object }
    }
}

impl KeySlot {
    pub fn encode(&self) -> [u8; SLOT_LEN] {
        let mut out = [0; SLOT_LEN];
        out[..16].copy_from_slice(self.slot_id.as_bytes());
        out[16..20].copy_from_slice(&self.epoch.to_le_bytes());
        out[20..52].copy_from_slice(&self.commit);
        out[52..].copy_from_slice(&self.sealed);
        out
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, CryptoError> {
        if bytes.len() != SLOT_LEN {
            return Err(CryptoError::Length("a key slot"));
        }
        Ok(Self {
            slot_id: SlotId::from_slice(&bytes[..16]).expect("16 bytes"),
            epoch: u32::from_le_bytes(bytes[16..20].try_into().expect("4 bytes")),
            commit: bytes[20..52].try_into().expect("32 bytes"),
            sealed: bytes[52..].to_vec(),
        })
    }

    /// Every field inside the sealed box must be the one outside: a slot cannot be moved.
    pub fn open(&self, keys: &ReadKeys) -> Result<OpenedSlot, CryptoError> {
        init();
        if self.epoch != keys.epoch {
            return Err(CryptoError::Slot("it is of another key epoch"));
        }
        let public = box_::PublicKey(keys.content_public().0);
        let secret = box_::SecretKey(*keys.content.0);
        let plain = sealedbox::open(&self.sealed, &public, &secret).map_err(|()| CryptoError::Open)?;
        let plain = Zeroizing::new(plain);
        let bound = Bound { slot_id: self.slot_id, repo: keys.repo_id, epoch: self.epoch };
        let at = SEALED_PLAIN - 32;
        let pack_key: [u8; 32] =
            plain.get(at..).and_then(|key| key.try_into().ok()).ok_or(CryptoError::Length("a sealed pack key"))?;
        let pack_key = Zeroizing::new(pack_key);
        if plain[..at] != bound.plain(&pack_key)[..at] {
            return Err(CryptoError::Slot("it was made for another place"));
        }
        if !sodiumoxide::utils::memcmp(&bound.commit(&pack_key), &self.commit) {
            return Err(CryptoError::Slot("its commitment does not fit"));
        }
        let (body, object) = bound.payload_keys(&keys.psk, &pack_key);
        Ok(OpenedSlot { slot_id: self.slot_id, body, object })
    }
}

/// What a slot is bound to.
struct Bound {
    slot_id: SlotId,
    repo: RepoId,
    epoch: u32,
}

impl Bound {
    /// 0x01 ‖ repository ‖ slot ‖ epoch ‖ pack key
    fn plain(&self, pack_key: &[u8; 32]) -> Zeroizing<[u8; SEALED_PLAIN]> {
        let mut out = Zeroizing::new([0; SEALED_PLAIN]);
        out[0] = SLOT_VERSION;
        out[1..17].copy_from_slice(self.repo.as_bytes());
        out[17..33].copy_from_slice(self.slot_id.as_bytes());
        out[33..37].copy_from_slice(&self.epoch.to_le_bytes());
        out[37..].copy_from_slice(pack_key);
        out
    }

    fn commit(&self, pack_key: &[u8; 32]) -> [u8; 32] {
        let epoch = self.epoch.to_le_bytes();
        derive(pack_key, "rozen.v1/slot-commit", &[self.slot_id.as_bytes(), self.repo.as_bytes(), &epoch])
    }

    fn payload_keys(&self, psk: &Psk, pack_key: &[u8; 32]) -> (BodyKey, ObjectKey) {
        let epoch = self.epoch.to_le_bytes();
        let parts: [&[u8]; 4] = [self.slot_id.as_bytes(), self.repo.as_bytes(), &epoch, pack_key];
        let root = Zeroizing::new(derive(&psk.0, "rozen.v1/slot-root", &parts));
        (BodyKey::new(derive(&root, "rozen.v1/body", &[])), ObjectKey::new(derive(&root, "rozen.v1/object", &[])))
    }
}
