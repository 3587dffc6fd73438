//! All that can be known of a tree, read without a path ever being longer than one name: what is deeper than PATH_MAX
//! counts as everything else.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;

use blake2::{Blake2b512, Digest};
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, SeekFrom, StatxFlags};

/// Paths below the root, `""` for the root itself.
pub type Facts = BTreeMap<Vec<u8>, Fact>;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fact {
    pub kind: FileType,
    pub mode: u16,
    pub uid: u32,
    pub gid: u32,
    /// 0 for directories, whose size is the filesystem's own affair.
    pub size: u64,
    pub mtime: (i64, u32),
    pub device: (u32, u32),
    /// The first path of the same inode, where it has several names in the tree.
    pub linked_to: Option<Vec<u8>>,
    pub target: Option<Vec<u8>>,
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// Of the content; holes count as zeros.
    pub hash: Option<[u8; 16]>,
    pub blocks: Blocks,
    pub names: Names,
}

/// Of the inode, wherever they are: not compared, but shown with a difference.
#[derive(Clone, Copy, Debug)]
pub struct Names(pub u32);

impl PartialEq for Names {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Names {}

/// 512-byte units on the disk. Equal where they differ by less than filesystems round: what matters is that holes stay.
#[derive(Clone, Copy, Debug)]
pub struct Blocks(pub u64);

impl PartialEq for Blocks {
    fn eq(&self, other: &Self) -> bool {
        let (small, large) = (self.0.min(other.0), self.0.max(other.0));
        large - small <= 256 + small / 50
    }
}

impl Eq for Blocks {}

pub fn read_facts(root: &Path) -> Facts {
    let mut reader = Reader { facts: Facts::new(), first_names: HashMap::new() };
    let dir = open(CWD, root.as_os_str().as_bytes(), OFlags::DIRECTORY);
    reader.entry(&dir, b".", vec![]);
    reader.below(dir, &[]);
    reader.forget_lonely_links();
    reader.facts
}

/// Compares, and shows the first differences.
pub fn assert_same(source: &Facts, restored: &Facts) {
    let paths: std::collections::BTreeSet<_> = source.keys().chain(restored.keys()).collect();
    let differs = |path: &&&Vec<u8>| source.get(**path) != restored.get(**path);
    let show = |path: &Vec<u8>| {
        format!("{}\n  source:   {:?}\n  restored: {:?}", path.escape_ascii(), source.get(path), restored.get(path))
    };
    let all: Vec<_> = paths.iter().filter(differs).collect();
    let shown: Vec<_> = all.iter().take(8).map(|path| show(path)).collect();
    assert!(all.is_empty(), "{} paths differ:\n{}", all.len(), shown.join("\n"));
}

struct Reader {
    facts: Facts,
    first_names: HashMap<(u64, u64), Vec<u8>>,
}

impl Reader {
    /// One open descriptor for each level; depth is bounded by their limit, which the kernel sets to thousands.
    fn below(&mut self, dir: OwnedFd, path: &[u8]) {
        let mut names: Vec<Vec<u8>> = Dir::read_from(&dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_bytes().to_vec())
            .filter(|name| name != b"." && name != b"..")
            .collect();
        names.sort();
        for name in names {
            let path = if path.is_empty() { name.clone() } else { [path, b"/", &name].concat() };
            if self.entry(&dir, &name, path.clone()) == FileType::Directory {
                self.below(open(dir.as_fd(), &name, OFlags::DIRECTORY), &path);
            }
        }
    }

    fn entry(&mut self, dir: &OwnedFd, name: &[u8], path: Vec<u8>) -> FileType {
        let stat = rustix::fs::statx(dir, name, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS).unwrap();
        let kind = FileType::from_raw_mode(stat.stx_mode.into());
        let is_dir = kind == FileType::Directory;
        let linked_to = (!is_dir && stat.stx_nlink > 1).then(|| self.first_name(&stat, &path));
        let fact = Fact {
            kind,
            mode: stat.stx_mode & 0o7777,
            uid: stat.stx_uid,
            gid: stat.stx_gid,
            size: if is_dir { 0 } else { stat.stx_size },
            mtime: (stat.stx_mtime.tv_sec, stat.stx_mtime.tv_nsec),
            device: (stat.stx_rdev_major, stat.stx_rdev_minor),
            linked_to,
            target: (kind == FileType::Symlink).then(|| target(dir, name)),
            xattrs: xattrs(dir, name),
            hash: (kind == FileType::RegularFile).then(|| hash(dir, name, stat.stx_size)),
            blocks: Blocks(if kind == FileType::RegularFile { stat.stx_blocks } else { 0 }),
            names: Names(stat.stx_nlink),
        };
        self.facts.insert(path, fact);
        kind
    }

    /// Other names of a file may be outside of the tree: then it has one name here.
    fn forget_lonely_links(&mut self) {
        let mut names: HashMap<Vec<u8>, u64> = HashMap::new();
        for first in self.facts.values().filter_map(|fact| fact.linked_to.as_ref()) {
            *names.entry(first.clone()).or_default() += 1;
        }
        for fact in self.facts.values_mut() {
            fact.linked_to.take_if(|first| names[first] == 1);
        }
    }

    fn first_name(&mut self, stat: &rustix::fs::Statx, path: &[u8]) -> Vec<u8> {
        let device = rustix::fs::makedev(stat.stx_dev_major, stat.stx_dev_minor);
        self.first_names.entry((device, stat.stx_ino)).or_insert_with(|| path.to_vec()).clone()
    }
}

fn open(dir: BorrowedFd<'_>, name: &[u8], more: OFlags) -> OwnedFd {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | more;
    rustix::fs::openat(dir, name, flags, Mode::empty()).unwrap_or_else(|e| panic!("{}: {e}", name.escape_ascii()))
}

fn target(dir: &OwnedFd, name: &[u8]) -> Vec<u8> {
    rustix::fs::readlinkat(dir, name, Vec::new()).unwrap().into_bytes()
}

fn xattrs(dir: &OwnedFd, name: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    // there are no calls for attributes that begin at a descriptor in older kernels
    let path = [format!("/proc/self/fd/{}/", dir.as_raw_fd()).as_bytes(), name].concat();
    let mut list = vec![0; 65536];
    let len = rustix::fs::llistxattr(&*path, &mut list).unwrap();
    let names = list[..len].split(|byte| *byte == 0).filter(|name| !name.is_empty());
    let mut found: Vec<_> = names.map(|name| (name.to_vec(), xattr(&path, name))).collect();
    found.sort();
    found
}

fn xattr(path: &[u8], name: &[u8]) -> Vec<u8> {
    let mut value = vec![0; 65536];
    let len = rustix::fs::lgetxattr(path, name, &mut value).unwrap();
    value.truncate(len);
    value
}

/// Blocks of zeros are skipped with their place, so that holes and written zeros read the same.
fn hash(dir: &OwnedFd, name: &[u8], size: u64) -> [u8; 16] {
    const BLOCK: usize = 64 << 10;
    let zeros = vec![0; BLOCK];
    let file = File::from(open(dir.as_fd(), name, OFlags::NOATIME));
    let mut hash = Blake2b512::new();
    let mut at = 0;
    while let Ok(data) = rustix::fs::seek(&file, SeekFrom::Data(at)) {
        at = data - data % BLOCK as u64;
        let hole = rustix::fs::seek(&file, SeekFrom::Hole(data)).unwrap_or(size);
        while at < hole {
            let mut block = vec![0; BLOCK.min((size - at) as usize)];
            file.read_exact_at(&mut block, at).unwrap();
            if block != zeros[..block.len()] {
                hash.update(at.to_le_bytes());
                hash.update(&block);
            }
            at += block.len() as u64;
        }
    }
    hash.finalize()[..16].try_into().unwrap()
}
