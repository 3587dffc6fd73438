//! The clear beginning that all binary objects share.

use super::FormatError;
use crate::model::{MachineId, RepoId};

const VERSION: u16 = 1;
const SUITE: u8 = 1;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ObjectType {
    DataPack,
    TreePack,
    Index,
    Manifest,
    Certificate,
    Config,
}

impl ObjectType {
    fn magic(self) -> &'static str {
        match self {
            ObjectType::DataPack | ObjectType::TreePack => "ROZENPK1",
            ObjectType::Index => "ROZENIX1",
            ObjectType::Manifest => "ROZENSN1",
            ObjectType::Certificate => "ROZENMC1",
            ObjectType::Config => "ROZENCF1",
        }
    }

    fn code(self) -> u8 {
        match self {
            ObjectType::DataPack => 1,
            ObjectType::TreePack => 2,
            ObjectType::Index => 3,
            ObjectType::Manifest => 4,
            ObjectType::Certificate => 5,
            ObjectType::Config => 6,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            ObjectType::DataPack => "data pack",
            ObjectType::TreePack => "tree pack",
            ObjectType::Index => "index object",
            ObjectType::Manifest => "manifest",
            ObjectType::Certificate => "certificate",
            ObjectType::Config => "configuration",
        }
    }
}

/// 48 bytes: magic 8 ‖ version u16 ‖ suite u8 ‖ type u8 ‖ required features u32 ‖ repository 16 ‖ machine 16.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ObjectHeader {
    pub kind: ObjectType,
    pub repo: RepoId,
    pub machine: MachineId,
}

impl ObjectHeader {
    pub const LEN: usize = 48;

    pub fn encode(&self) -> [u8; Self::LEN] {
        let mut out = [0; Self::LEN];
        out[..8].copy_from_slice(self.kind.magic().as_bytes());
        out[8..10].copy_from_slice(&VERSION.to_le_bytes());
        out[10] = SUITE;
        out[11] = self.kind.code();
        out[16..32].copy_from_slice(self.repo.as_bytes());
        out[32..48].copy_from_slice(self.machine.as_bytes());
        out
    }

    /// Checks that `bytes` begin as an object of `kind` in `repo` must, and gives the rest.
    pub fn decode<'b>(kind: ObjectType, repo: &RepoId, bytes: &'b [u8]) -> Result<(Self, &'b [u8]), FormatError> {
        let (header, rest) = Self::claims(kind, bytes)?;
        if header.repo != *repo {
            return Err(FormatError::WrongRepository { found: header.repo.to_string(), expected: repo.to_string() });
        }
        Ok((header, rest))
    }

    /// The same with repository and machine as the object says, still to be proved.
    pub fn claims(kind: ObjectType, bytes: &[u8]) -> Result<(Self, &[u8]), FormatError> {
        let header = bytes
            .get(..Self::LEN)
            .ok_or(FormatError::Truncated { len: bytes.len() as u64, needed: Self::LEN as u64 })?;
        if header[..8] != *kind.magic().as_bytes() {
            return Err(FormatError::Magic { expected: kind.name(), magic: kind.magic() });
        }
        let version = u16::from_le_bytes([header[8], header[9]]);
        if version != VERSION {
            return Err(FormatError::Newer { expected: kind.name(), found: version, known: VERSION });
        }
        if header[10] != SUITE {
            return Err(FormatError::Suite(header[10]));
        }
        if header[11] != kind.code() {
            return Err(FormatError::Damaged("its type is not the one that its place says"));
        }
        let features = u32::from_le_bytes(header[12..16].try_into().expect("4 bytes"));
        if features != 0 {
            return Err(FormatError::Feature(features));
        }
        let repo = RepoId::from_slice(&header[16..32]).expect("16 bytes");
        let machine = MachineId::from_slice(&header[32..48]).expect("16 bytes");
        Ok((Self { kind, repo, machine }, &bytes[Self::LEN..]))
    }
}
