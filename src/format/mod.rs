//! Bytes of the stored objects: encode, bounded decode, versions. Pure; docs/format.md is normative and this mirrors it.
//!
//! What must hold: every object begins with a clear header (magic, version, suite, type, repository, machine,
//! feature flags); an unknown version, suite or required feature is refused by name; limits are checked before
//! memory is taken; nothing is interpreted before its authentication was checked.
//!
//! Not here: compression and encryption of frames (room `seal`), tree nodes (room `tree`), names and commit order
//! (room `repo`).

mod certificate;
mod config;
mod content_map;
mod error;
mod header;
mod index;
mod manifest;
mod pack;
mod padme;
mod repository;

pub use certificate::{CERTIFICATE_OBJECT_LEN, open_certificate, seal_certificate};
pub use config::{StoredConfig, open_config, seal_config};
pub use content_map::{ContentMap, MAX_INLINE_ITEMS};
pub use error::FormatError;
pub use header::{ObjectHeader, ObjectType};
pub use index::{BundleMembers, IndexBody, IndexedFrame, IndexedPack, MemberRow, open_index, seal_index};
pub use manifest::{
    MANIFEST_CERTIFIED_LEN, Manifest, ManifestBody, ManifestProblem, ManifestRoot, ManifestStats, VerifiedManifest,
    certificate_of_manifest, open_manifest, seal_manifest, verify_manifest,
};
pub use pack::{FOOTER_LEN, Footer, MAX_SLOTS, PackDirectory, PackLayout, open_directory, seal_tail};
pub use padme::padded_len;
pub use repository::{RepositoryRecord, SignedRecord};
