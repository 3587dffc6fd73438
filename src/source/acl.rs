//! Access ACLs as the kernel hands them out, as far as they bear on the mode of a file.

use crate::model::Entry;

pub(super) const ACCESS: &[u8] = b"system.posix_acl_access";

/// Version 2, then for each entry its tag, its permissions and an id, all little-endian (`<linux/posix_acl_xattr.h>`).
const VERSION: [u8; 4] = [2, 0, 0, 0];
const ENTRY: usize = 8;

const USER_OBJ: u16 = 0x01;
const GROUP_OBJ: u16 = 0x04;
const MASK: u16 = 0x10;
const OTHER: u16 = 0x20;

/// What an access ACL says about owner, group and all others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct AccessAcl {
    owner: u32,
    group: u32,
    mask: Option<u32>,
    other: u32,
}

impl AccessAcl {
    /// `None`: the entry has none, or one that cannot be understood.
    pub fn of(entry: &Entry) -> Option<Self> {
        let acl = entry.xattrs.iter().flatten().find(|xattr| xattr.name == ACCESS)?;
        Self::parse(&acl.value)
    }

    fn parse(value: &[u8]) -> Option<Self> {
        let entries = value.strip_prefix(&VERSION)?;
        if entries.len() % ENTRY != 0 {
            return None;
        }
        let permission = |wanted: u16| {
            let mut of_tag =
                entries.chunks_exact(ENTRY).filter(|entry| u16::from_le_bytes([entry[0], entry[1]]) == wanted);
            of_tag.next().map(|entry| u32::from(entry[2] & 7))
        };
        let (owner, group, other) = (permission(USER_OBJ)?, permission(GROUP_OBJ)?, permission(OTHER)?);
        Some(Self { owner, group, mask: permission(MASK), other })
    }

    /// The permission bits that a file has whose ACL this is: those of the group are the mask.
    pub fn mode(self) -> u32 {
        self.owner << 6 | self.mask.unwrap_or(self.group) << 3 | self.other
    }

    /// What the group may do without the ACL, as bits of a mode.
    pub fn group_bits(self) -> u32 {
        (self.group & self.mask.unwrap_or(7)) << 3
    }
}
