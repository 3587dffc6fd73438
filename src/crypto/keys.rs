//! The key hierarchy (docs/format.md, "Keys"): from one recovery secret to a type per purpose.

use sodiumoxide::crypto::scalarmult::curve25519;
use zeroize::Zeroizing;

use super::certificate::{Certificate, Serial};
use super::hash::{derive, digest, digests, init, random};
use super::lanes::ChunkIdLanes;
use super::sign::{SigningKey, VerifyingKey};
use super::{CryptoError, aead, fields};
use crate::chunk::GearTable;
use crate::model::{ChunkId, ChunkRef, FileId, MachineId, RepoId, RootTag};

macro_rules! secret_key {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name(pub(super) Zeroizing<[u8; 32]>);

        impl $name {
            pub(super) fn new(bytes: [u8; 32]) -> Self {
                Self(Zeroizing::new(bytes))
            }

            /// Constant time.
            pub fn is_same(&self, other: &Self) -> bool {
                sodiumoxide::utils::memcmp(&*self.0, &*other.0)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(secret)"))
            }
        }
    };
}

secret_key!(
    /// The one secret that everything comes from. Kept away from the machine that backs up.
    RecoverySecret
);
secret_key!(
    /// Opens key slots: content, names, manifests.
    ContentSecretKey
);
secret_key!(
    /// Needed beside the pack key for content: a broken key exchange alone opens nothing.
    Psk
);
secret_key!(
    /// Opens frame heads, directories, footers and index objects; no content, no names.
    IndexKey
);
secret_key!(
    /// Makes chunk ids and file ids.
    IdKey
);
secret_key!(
    /// Makes the gear table.
    ChunkerKey
);
secret_key!(
    /// Content of frames under one slot.
    BodyKey
);
secret_key!(
    /// Content of manifests under one slot.
    ObjectKey
);
secret_key!(
    /// Heads of frames.
    FrameHeadKey
);
secret_key!(
    /// The part of a manifest that the machine can read again: how it lists its roots.
    ListingKey
);

/// Seals key slots; opens nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ContentPublicKey(pub(super) [u8; 32]);

impl ContentPublicKey {
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// `None` for another length and for points of low order: what is sealed to one of those, everybody can open,
    /// and the library's sealing does not report it.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        init();
        let point = curve25519::GroupElement::from_slice(bytes)?;
        // any scalar would do: a point of low order gives zero with each
        let _ = curve25519::scalarmult(&curve25519::Scalar([1; 32]), &point).ok()?;
        Some(Self(point.0))
    }
}

impl RecoverySecret {
    pub fn generate() -> Self {
        Self::new(random())
    }

    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self::new(bytes)
    }

    pub(super) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub fn admin_signing(&self) -> SigningKey {
        SigningKey::from_seed(derive(&self.0, "rozen.v1/admin-sign", &[]))
    }

    /// All keys of an epoch: what reads the repository.
    pub fn read_keys(&self, repo_id: RepoId, epoch: u32) -> ReadKeys {
        let seed = Zeroizing::new(derive(&self.0, "rozen.v1/epoch", &[&epoch.to_le_bytes()]));
        let key = |label: &str| derive(&seed, label, &[]);
        ReadKeys {
            repo_id,
            epoch,
            content: ContentSecretKey::new(key("rozen.v1/content-key")),
            psk: Psk::new(key("rozen.v1/psk")),
            index: IndexKey::new(key("rozen.v1/index-key")),
            id: IdKey::new(key("rozen.v1/id-key")),
            chunker: ChunkerKey::new(key("rozen.v1/chunker-key")),
            admin: self.admin_signing().verifying(),
        }
    }
}

/// What restores: everything of an epoch, the content secret key included. Made from the recovery secret only.
#[derive(Clone, Debug)]
pub struct ReadKeys {
    pub repo_id: RepoId,
    pub epoch: u32,
    pub(super) content: ContentSecretKey,
    pub(super) psk: Psk,
    pub index: IndexKey,
    pub id: IdKey,
    pub chunker: ChunkerKey,
    admin: VerifyingKey,
}

impl ReadKeys {
    pub fn content_public(&self) -> ContentPublicKey {
        init();
        ContentPublicKey(curve25519::scalarmult_base(&curve25519::Scalar(*self.content.0)).0)
    }

    pub fn admin_verifying(&self) -> VerifyingKey {
        self.admin
    }
}

/// What a machine that backs up holds. It stores, recognises what it stored, and opens none of it.
#[derive(Clone)]
pub struct MachineKeys {
    pub repo_id: RepoId,
    pub machine_id: MachineId,
    pub epoch: u32,
    pub content: ContentPublicKey,
    pub(super) psk: Psk,
    pub index: IndexKey,
    pub id: IdKey,
    pub chunker: ChunkerKey,
    pub signing: SigningKey,
    /// Of the signing key; goes into every manifest.
    pub certificate: Certificate,
    pub admin: VerifyingKey,
}

impl MachineKeys {
    /// A new identity for a machine of this repository.
    pub fn generate(secret: &RecoverySecret, repo_id: RepoId, epoch: u32) -> Self {
        Self::succeed(secret, &secret.read_keys(repo_id, epoch), MachineId(random()), Serial::FIRST)
    }

    /// The next identity of a machine that was lost: it goes on with that machine's history under a key of its own.
    pub fn succeed(secret: &RecoverySecret, read: &ReadKeys, machine_id: MachineId, serial: Serial) -> Self {
        let (signing, admin) = (SigningKey::generate(), secret.admin_signing());
        let numbers = (serial, read.epoch);
        Self {
            repo_id: read.repo_id,
            machine_id,
            epoch: read.epoch,
            content: read.content_public(),
            psk: read.psk.clone(),
            index: read.index.clone(),
            id: read.id.clone(),
            chunker: read.chunker.clone(),
            certificate: Certificate::issue(&admin, &read.repo_id, &machine_id, numbers, signing.verifying()),
            signing,
            admin: read.admin,
        }
    }

    /// Opens how this machine's manifests list its roots.
    pub fn listing(&self) -> ListingKey {
        self.psk.listing()
    }
}

impl Psk {
    /// From the psk, because every machine has it and the holder of the index key alone has not.
    fn listing(&self) -> ListingKey {
        ListingKey::new(derive(&self.0, "rozen.v1/listing", &[]))
    }
}

/// What is sealed under a key derived from the index key; each has its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    Directory,
    Footer,
    Index,
}

impl Purpose {
    fn label(self) -> &'static str {
        match self {
            Purpose::Directory => "rozen.v1/directory",
            Purpose::Footer => "rozen.v1/footer",
            Purpose::Index => "rozen.v1/index",
        }
    }
}

impl IndexKey {
    pub fn seal(&self, purpose: Purpose, ad: &[u8], plain: &[u8]) -> Vec<u8> {
        aead::seal(&derive(&self.0, purpose.label(), &[]), ad, plain)
    }

    pub fn open(&self, purpose: Purpose, ad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, CryptoError> {
        aead::open(&derive(&self.0, purpose.label(), &[]), ad, sealed)
    }

    pub fn frame_heads(&self) -> FrameHeadKey {
        FrameHeadKey::new(derive(&self.0, "rozen.v1/frame-head", &[]))
    }
}

macro_rules! seals {
    ($name:ident) => {
        impl $name {
            pub fn seal(&self, ad: &[u8], plain: &[u8]) -> Vec<u8> {
                aead::seal(&self.0, ad, plain)
            }

            pub fn open(&self, ad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, CryptoError> {
                aead::open(&self.0, ad, sealed)
            }
        }
    };
}

seals!(ObjectKey);
seals!(FrameHeadKey);
seals!(ListingKey);

impl FrameHeadKey {
    /// Appends nonce, ciphertext and tag to `out`.
    pub fn seal_into(&self, ad: &[u8], plain: &[u8], out: &mut Vec<u8>) {
        aead::seal_into(&self.0, ad, plain, out);
    }
}

impl BodyKey {
    /// Appends nonce, ciphertext and tag to `out`.
    pub fn seal_into(&self, ad: &[u8], plain: &[u8], out: &mut Vec<u8>) {
        aead::seal_long_into(&self.0, ad, plain, out);
    }

    /// Replaces what is in `out`.
    pub fn open_into(&self, ad: &[u8], sealed: &[u8], out: &mut Vec<u8>) -> Result<(), CryptoError> {
        aead::open_long_into(&self.0, ad, sealed, out)
    }

    /// [`BodyKey::open_into`] by a library that did not seal it.
    pub fn cross_check(&self, ad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, CryptoError> {
        aead::open(&self.0, ad, sealed)
    }
}

impl IdKey {
    /// Keys that ids of one kind are made with; derive once, use often.
    pub fn chunk_ids(&self, kind: u8) -> ChunkIdKey {
        ChunkIdKey(Zeroizing::new(derive(&self.0, "rozen.v1/chunk-id", &[&[kind]])))
    }

    /// Of a root by the id that the configuration gives it.
    pub fn root_tag(&self, root: &str) -> RootTag {
        RootTag(digest(root.as_bytes(), Some(&derive(&self.0, "rozen.v1/root-tag", &[]))))
    }

    pub fn file_ids(&self) -> FileIdKeys {
        FileIdKeys {
            data: Zeroizing::new(derive(&self.0, "rozen.v1/file-id", &[])),
            list: Zeroizing::new(derive(&self.0, "rozen.v1/file-list", &[])),
        }
    }
}

#[derive(Clone)]
pub struct ChunkIdKey(Zeroizing<[u8; 32]>);

impl ChunkIdKey {
    pub fn id(&self, plain: &[u8]) -> ChunkId {
        ChunkId(digest(plain, Some(&self.0)))
    }

    /// The same ids for many chunks, several at once.
    pub fn lanes<T: AsRef<[u8]>>(&self) -> ChunkIdLanes<T> {
        ChunkIdLanes::new(self.clone())
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

#[derive(Clone)]
pub struct FileIdKeys {
    data: Zeroizing<[u8; 32]>,
    list: Zeroizing<[u8; 32]>,
}

impl FileIdKeys {
    /// Of a file in a bundle: over its data bytes.
    pub fn of_data(&self, data: &[u8]) -> FileId {
        FileId(digest(data, Some(&self.data)))
    }

    /// [`FileIdKeys::of_data`] of each file, several at once.
    pub fn of_each(&self, files: &[&[u8]]) -> Vec<FileId> {
        digests(files, &self.data).into_iter().map(FileId).collect()
    }

    /// Of a file of chunks: over its list, since each chunk is checked by its own id.
    pub fn of_chunks(&self, chunks: &[ChunkRef]) -> FileId {
        let list: Vec<u8> = chunks.iter().flat_map(|c| c.id.0.into_iter().chain(c.len.to_le_bytes())).collect();
        FileId(digest(&list, Some(&self.list)))
    }
}

impl ChunkerKey {
    pub fn gear_table(&self) -> GearTable {
        GearTable::from_blocks(|block| digest(&fields("rozen.v1/gear", &[&block.to_le_bytes()]), Some(&self.0)))
    }
}
