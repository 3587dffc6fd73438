//! One entry of a tree: a file, directory or special file with all its metadata and where its content is.
//!
//! The CBOR keys here are part of the format (docs/format.md, "Entries"): numbers are never used again for
//! something else, absent means the default.

use minicbor::{Decode, Encode};

use super::{ChunkId, FileId, Timestamp};

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode)]
#[cbor(index_only)]
pub enum EntryKind {
    #[n(0)]
    File,
    #[n(1)]
    Dir,
    #[n(2)]
    Symlink,
    #[n(3)]
    Fifo,
    #[n(4)]
    Socket,
    #[n(5)]
    CharDevice,
    #[n(6)]
    BlockDevice,
}

/// Bits of [`Entry::flags`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Encode, Decode)]
#[cbor(transparent)]
pub struct EntryFlags(#[n(0)] pub u32);

impl EntryFlags {
    /// The file changed while it was read without a freeze: content may mix two states.
    pub const FUZZY: u32 = 1;
    /// The content could not be read: the entry has metadata alone (or content of an earlier snapshot).
    pub const UNREADABLE: u32 = 2;
    /// Its ctime lies within 2 s of the time it was read, an attribute of it could not be read, or rules were made of another state of
    /// it: read again next time.
    pub const RACY: u32 = 4;
    /// A nested subvolume or mount that is not part of this snapshot: the directory's content is not here.
    pub const NOT_COVERED: u32 = 8;

    pub fn has(self, bit: u32) -> bool {
        self.0 & bit != 0
    }

    pub fn with(self, bit: u32) -> Self {
        Self(self.0 | bit)
    }

    pub fn is_empty(&self) -> bool {
        self.0 == 0
    }
}

/// An extended attribute, ACLs included (`system.posix_acl_access`, `system.posix_acl_default`): raw, lossless.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(array)]
pub struct Xattr {
    #[cbor(n(0), with = "minicbor::bytes")]
    pub name: Vec<u8>,
    #[cbor(n(1), with = "minicbor::bytes")]
    pub value: Vec<u8>,
}

/// A range of a sparse file that holds data; what lies between is a hole. In bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(array)]
pub struct Extent {
    #[n(0)]
    pub offset: u64,
    #[n(1)]
    pub len: u64,
}

/// A chunk and the length of its plain content in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(array)]
pub struct ChunkRef {
    #[n(0)]
    pub id: ChunkId,
    #[n(1)]
    pub len: u32,
}

/// Where the data bytes of a file are. The *data bytes* are the file without its holes.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub enum Content {
    /// `len` data bytes at `offset` of a bundle.
    #[n(0)]
    Bundled {
        #[n(0)]
        id: FileId,
        #[n(1)]
        bundle: ChunkId,
        #[n(2)]
        offset: u32,
        #[n(3)]
        len: u32,
    },
    /// The chunks in order.
    #[n(1)]
    Chunked {
        #[n(0)]
        id: FileId,
        #[n(1)]
        chunks: Vec<ChunkRef>,
    },
    /// For files of very many chunks or extents: the plain contents of `map`, joined, are the CBOR of a
    /// content map (docs/format.md, "Content maps") that lists both.
    #[n(2)]
    Mapped {
        #[n(0)]
        id: FileId,
        #[n(1)]
        map: Vec<ChunkRef>,
    },
}

impl Content {
    pub fn id(&self) -> FileId {
        match self {
            Content::Bundled { id, .. } | Content::Chunked { id, .. } | Content::Mapped { id, .. } => *id,
        }
    }
}

/// Everything that a snapshot knows of one name.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct Entry {
    #[n(0)]
    pub kind: EntryKind,
    /// Permission bits with setuid, setgid, sticky: `st_mode & 0o7777`.
    #[n(1)]
    pub mode: u32,
    #[n(2)]
    pub uid: u32,
    #[n(3)]
    pub gid: u32,
    #[n(4)]
    pub user: Option<String>,
    #[n(5)]
    pub group: Option<String>,
    /// Apparent size in bytes; for a symlink the length of its target; else 0.
    #[n(6)]
    pub size: u64,
    #[n(7)]
    pub mtime: Timestamp,
    /// A restore needs it for nothing, so a writer may leave it out.
    #[cbor(n(8), default)]
    pub ctime: Timestamp,
    #[n(9)]
    pub btime: Option<Timestamp>,
    /// Inode number where it was read; names with one (`fs`, `ino`) and `nlink` > 1 are hard links of one file.
    #[n(10)]
    pub ino: u64,
    /// `None` for 1 and for directories.
    #[n(11)]
    pub nlink: Option<u32>,
    /// Which filesystem below the root, `None` for the root's own; stable between runs.
    #[n(12)]
    pub fs: Option<u64>,
    #[cbor(n(13), with = "minicbor::bytes")]
    pub target: Option<Vec<u8>>,
    /// Device number: (major, minor).
    #[n(14)]
    pub device: Option<(u32, u32)>,
    /// Sorted by name.
    #[n(15)]
    pub xattrs: Option<Vec<Xattr>>,
    /// Inode flags as FS_IOC_GETFLAGS gives them (immutable, append, nodump …), only those a restore may set.
    #[n(16)]
    pub inode_flags: Option<u32>,
    /// `None` for an empty file, for what is no file, and for a file that could not be read.
    #[n(17)]
    pub content: Option<Content>,
    /// Data ranges of a sparse file in order, unless they stand in a content map; `None` = no holes.
    #[n(18)]
    pub extents: Option<Vec<Extent>>,
    #[cbor(n(19), default, skip_if = "EntryFlags::is_empty")]
    pub flags: EntryFlags,
}

#[cfg(test)]
impl Entry {
    /// A plain file of the user who runs the tests, without content.
    pub fn test_file(size: u64) -> Self {
        Self {
            kind: EntryKind::File,
            mode: 0o644,
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
            user: None,
            group: None,
            size,
            mtime: Timestamp::new(1_600_000_000, 123_456_789),
            ctime: Timestamp::default(),
            btime: None,
            ino: 1,
            nlink: None,
            fs: None,
            target: None,
            device: None,
            xattrs: None,
            inode_flags: None,
            content: None,
            extents: None,
            flags: EntryFlags::default(),
        }
    }

    pub fn test_dir() -> Self {
        Self { kind: EntryKind::Dir, mode: 0o755, ..Self::test_file(0) }
    }

    pub fn test_link(target: &[u8]) -> Self {
        let size = target.len() as u64;
        Self { kind: EntryKind::Symlink, mode: 0o777, target: Some(target.to_vec()), ..Self::test_file(size) }
    }
}
