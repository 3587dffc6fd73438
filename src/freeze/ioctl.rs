//! The five requests to btrfs that this room needs, with the layouts of `linux/btrfs.h`.
//!
//! Every request takes a structure whose size is part of its number; the kernel reads and writes at most that many
//! bytes. The structures are plain integers and byte arrays, so every bit pattern is valid.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use crate::model::RelPath;

/// The inode of the root of every subvolume.
pub(super) const SUBVOLUME_ROOT_INODE: u64 = 256;

const SNAP_DESTROY: libc::Ioctl = 0x5000_940f_u32 as libc::Ioctl;
const TREE_SEARCH: libc::Ioctl = 0xd000_9411_u32 as libc::Ioctl;
const INO_LOOKUP: libc::Ioctl = 0xd000_9412_u32 as libc::Ioctl;
const SNAP_CREATE_V2: libc::Ioctl = 0x5000_9417_u32 as libc::Ioctl;
const SUBVOL_GETFLAGS: libc::Ioctl = 0x8008_9419_u32 as libc::Ioctl;

const SUBVOL_RDONLY: u64 = 1 << 1;
/// The tree that lists all subvolumes.
const ROOT_TREE: u64 = 1;
const ROOT_REF_KEY: u32 = 156;

#[repr(C)]
struct VolArgs {
    fd: i64,
    name: [u8; 4088],
}

#[repr(C)]
struct VolArgsV2 {
    fd: i64,
    transid: u64,
    flags: u64,
    unused: [u64; 4],
    name: [u8; 4040],
}

#[repr(C)]
struct LookupArgs {
    tree: u64,
    inode: u64,
    name: [u8; 4080],
}

#[repr(C)]
struct SearchArgs {
    tree: u64,
    min_objectid: u64,
    max_objectid: u64,
    min_offset: u64,
    max_offset: u64,
    min_transid: u64,
    max_transid: u64,
    min_type: u32,
    max_type: u32,
    items: u32,
    unused: u32,
    unused_more: [u64; 4],
    buffer: [u8; 3992],
}

const _: () = assert!(
    size_of::<VolArgs>() == 4096
        && size_of::<VolArgsV2>() == 4096
        && size_of::<LookupArgs>() == 4096
        && size_of::<SearchArgs>() == 4096
);

/// # Safety
/// `T` is the structure that `request` takes, without padding, valid for every bit pattern.
unsafe fn ioctl<T>(fd: BorrowedFd<'_>, request: libc::Ioctl, args: &mut T) -> io::Result<()> {
    // SAFETY: the descriptor is open while borrowed; `args` is exclusive and as large as the request's number says.
    match unsafe { libc::ioctl(fd.as_raw_fd(), request, std::ptr::from_mut(args)) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

fn name_field<const N: usize>(name: &str) -> io::Result<[u8; N]> {
    let mut field = [0; N];
    // The last byte stays NUL.
    let place = field[..N - 1].get_mut(..name.len()).ok_or(io::ErrorKind::InvalidFilename)?;
    place.copy_from_slice(name.as_bytes());
    Ok(field)
}

/// Freezes the subvolume whose root is `source` as `dir/name`, read-only. Atomic; returned means made.
pub(super) fn snapshot(source: BorrowedFd<'_>, dir: BorrowedFd<'_>, name: &str) -> io::Result<()> {
    let mut args = VolArgsV2 {
        fd: source.as_raw_fd().into(),
        transid: 0,
        flags: SUBVOL_RDONLY,
        unused: [0; 4],
        name: name_field(name)?,
    };
    // SAFETY: BTRFS_IOC_SNAP_CREATE_V2 takes btrfs_ioctl_vol_args_v2.
    unsafe { ioctl(dir, SNAP_CREATE_V2, &mut args) }
}

/// Removes the subvolume `dir/name` with its content. It may appear again after a crash: removing may be repeated.
pub(super) fn destroy(dir: BorrowedFd<'_>, name: &str) -> io::Result<()> {
    let mut args = VolArgs { fd: 0, name: name_field(name)? };
    // SAFETY: BTRFS_IOC_SNAP_DESTROY takes btrfs_ioctl_vol_args.
    unsafe { ioctl(dir, SNAP_DESTROY, &mut args) }
}

pub(super) fn is_read_only(subvolume: BorrowedFd<'_>) -> io::Result<bool> {
    let mut flags = 0u64;
    // SAFETY: BTRFS_IOC_SUBVOL_GETFLAGS takes one 64-bit integer.
    unsafe { ioctl(subvolume, SUBVOL_GETFLAGS, &mut flags)? };
    Ok(flags & SUBVOL_RDONLY != 0)
}

/// The id of the subvolume that holds this directory.
pub(super) fn subvolume_id(dir: impl AsFd) -> io::Result<u64> {
    Ok(lookup(dir.as_fd(), 0, SUBVOLUME_ROOT_INODE)?.tree)
}

/// The path of a directory inside a subvolume of the filesystem that `fd` is on.
pub(super) fn path_of(fd: BorrowedFd<'_>, subvolume: u64, inode: u64) -> io::Result<RelPath> {
    let args = lookup(fd, subvolume, inode)?;
    let end = args.name.iter().position(|b| *b == 0).unwrap_or(args.name.len());
    let path = args.name[..end].strip_suffix(b"/").unwrap_or(&args.name[..end]);
    RelPath::parse(path).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

fn lookup(fd: BorrowedFd<'_>, tree: u64, inode: u64) -> io::Result<LookupArgs> {
    let mut args = LookupArgs { tree, inode, name: [0; 4080] };
    // SAFETY: BTRFS_IOC_INO_LOOKUP takes btrfs_ioctl_ino_lookup_args.
    unsafe { ioctl(fd, INO_LOOKUP, &mut args)? };
    Ok(args)
}

/// A subvolume as its parent refers to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Child {
    pub id: u64,
    /// The inode of the directory that it stands in, within the parent.
    pub dir: u64,
    pub name: Vec<u8>,
}

/// The subvolumes that stand directly in `parent`.
pub(super) fn children(fd: BorrowedFd<'_>, parent: u64) -> io::Result<Vec<Child>> {
    let mut out: Vec<Child> = Vec::new();
    loop {
        let from = out.last().map_or(0, |child| child.id + 1);
        let mut args = search(parent, from);
        // SAFETY: BTRFS_IOC_TREE_SEARCH takes btrfs_ioctl_search_args.
        unsafe { ioctl(fd, TREE_SEARCH, &mut args)? };
        if args.items == 0 {
            return Ok(out);
        }
        out.extend(parse_children(&args.buffer, args.items).ok_or(io::ErrorKind::InvalidData)?);
    }
}

fn search(parent: u64, from: u64) -> SearchArgs {
    SearchArgs {
        tree: ROOT_TREE,
        min_objectid: parent,
        max_objectid: parent,
        min_offset: from,
        max_offset: u64::MAX,
        min_transid: 0,
        max_transid: u64::MAX,
        min_type: ROOT_REF_KEY,
        max_type: ROOT_REF_KEY,
        items: 4096,
        unused: 0,
        unused_more: [0; 4],
        buffer: [0; 3992],
    }
}

/// Items are: transid, objectid, offset (the child's id), type, length; then directory, sequence, name length, name.
fn parse_children(mut buffer: &[u8], items: u32) -> Option<Vec<Child>> {
    let mut out = Vec::new();
    for _ in 0..items {
        let (head, rest) = buffer.split_at_checked(32)?;
        let id = u64::from_ne_bytes(head[16..24].try_into().ok()?);
        let len = u32::from_ne_bytes(head[28..32].try_into().ok()?);
        let (item, rest) = rest.split_at_checked(len as usize)?;
        let dir = u64::from_le_bytes(item.get(..8)?.try_into().ok()?);
        let name_len = u16::from_le_bytes(item.get(16..18)?.try_into().ok()?);
        let name = item.get(18..18 + usize::from(name_len))?.to_vec();
        if !RelPath::is_name(&name) {
            return None;
        }
        out.push(Child { id, dir, name });
        buffer = rest;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(id: u64, dir: u64, name: &[u8]) -> Vec<u8> {
        let mut out = vec![0; 32];
        out[16..24].copy_from_slice(&id.to_ne_bytes());
        out[28..32].copy_from_slice(&(18 + name.len() as u32).to_ne_bytes());
        out.extend(dir.to_le_bytes());
        out.extend(0u64.to_le_bytes());
        out.extend((name.len() as u16).to_le_bytes());
        out.extend(name);
        out
    }

    #[test]
    fn search_results_are_read_within_their_bounds() {
        let both = [item(257, 256, b"sub"), item(300, 1000, b"other")].concat();
        let children = parse_children(&both, 2).unwrap();
        assert_eq!(children[1], Child { id: 300, dir: 1000, name: b"other".to_vec() });
        for cut in 0..both.len() {
            assert_eq!(parse_children(&both[..cut], 2), None, "cut at {cut}");
        }
        assert_eq!(parse_children(&item(257, 256, b"../x"), 1), None);
    }

    #[test]
    fn names_that_do_not_fit_are_refused() {
        assert!(name_field::<8>("1234567").is_ok());
        assert!(name_field::<8>("12345678").is_err());
    }
}
