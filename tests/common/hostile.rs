//! A tree of everything that a filesystem may hold and a backup program may stumble over. Needs root.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use rozen::chunk::ChunkLimits;
use rustix::fs::{AtFlags, CWD, FileType, IFlags, Mode, OFlags, Timespec, Timestamps, XattrFlags};

use super::{Noise, scaled};

/// The directory that is deeper than any path may be long.
pub const DEEP: &str = "deep";
pub const SPARSE: &str = "sparse/10-gib";

pub fn make(root: &Path) {
    names(root);
    links(root);
    special_files(root);
    sparse_files(root);
    metadata(root);
    inode_flags(root);
    deeper_than_a_path(root);
    crowded(root);
    sizes(root);
    if super::is_full() {
        one_gib(root);
    }
    // last: what is made in a directory changes its time
    times(root);
}

fn dir(root: &Path, name: &str) -> std::path::PathBuf {
    let path = root.join(name);
    fs::create_dir(&path).unwrap();
    path
}

fn names(root: &Path) {
    let dir = dir(root, "names");
    let longest = [b'n'; 255];
    let longest_umlauts = "ü".repeat(127);
    let all_bytes: Vec<u8> = (1..=255).filter(|byte| *byte != b'/').collect();
    let names: [&[u8]; 14] = [
        b"not utf-8 \xff\xfe\x80",
        b"cut umlaut \xc3",
        b"new\nline",
        b"\n",
        b" ",
        b"-rf",
        b"...",
        b"\\",
        b"*?[a-z]{x}$HOME`true`",
        b"\x1b[31mred",
        &longest,
        longest_umlauts.as_bytes(),
        &all_bytes[..200],
        b"decomposed u\xcc\x88 beside \xc3\xbc",
    ];
    for name in names {
        fs::write(dir.join(OsStr::from_bytes(name)), name).unwrap();
    }
    fs::create_dir(dir.join(OsStr::from_bytes(b"directory \xff\nwith all of it"))).unwrap();
    fs::write(dir.join(OsStr::from_bytes(b"directory \xff\nwith all of it/x")), "x").unwrap();
    // sorts between a directory and its content when paths are compared as text
    fs::create_dir(dir.join("a")).unwrap();
    fs::write(dir.join("a/b"), "in a").unwrap();
    fs::write(dir.join("a.b"), "beside a").unwrap();
    fs::write(dir.join("a-b"), "beside a").unwrap();
}

fn links(root: &Path) {
    let dir = dir(root, "links");
    for name in ["here", "there", "there/below"] {
        fs::create_dir(dir.join(name)).unwrap();
    }
    symlink("loop-b", dir.join("loop-a")).unwrap();
    symlink("loop-a", dir.join("loop-b")).unwrap();
    symlink("..", dir.join("there/up")).unwrap();
    symlink("self", dir.join("self")).unwrap();
    symlink("/etc/passwd", dir.join("absolute")).unwrap();
    symlink(OsStr::from_bytes(b"nowhere \xff\n"), dir.join("dangling")).unwrap();
    symlink("t".repeat(4095), dir.join("longest")).unwrap();
    fs::write(dir.join("here/first"), "one inode, three names").unwrap();
    fs::hard_link(dir.join("here/first"), dir.join("there/second")).unwrap();
    fs::hard_link(dir.join("here/first"), root.join("names/third")).unwrap();
    fs::hard_link(dir.join("loop-a"), dir.join("there/hard-linked-symlink")).unwrap();
    fs::write(dir.join("here/empty"), "").unwrap();
    fs::hard_link(dir.join("here/empty"), dir.join("there/below/empty")).unwrap();
}

fn special_files(root: &Path) {
    let dir = dir(root, "special");
    let node = |name: &str, kind, device| {
        rustix::fs::mknodat(CWD, dir.join(name), kind, Mode::from_raw_mode(0o640), device).unwrap();
    };
    node("fifo", FileType::Fifo, 0);
    node("null", FileType::CharacterDevice, rustix::fs::makedev(1, 3));
    node("large numbers", FileType::CharacterDevice, rustix::fs::makedev(4000, 1_000_000));
    node("block", FileType::BlockDevice, rustix::fs::makedev(7, 77));
    node("socket", FileType::Socket, 0);
    fs::hard_link(dir.join("fifo"), dir.join("fifo, second name")).unwrap();
}

fn sparse_files(root: &Path) {
    let dir = dir(root, "sparse");
    let tail = File::create(root.join(SPARSE)).unwrap();
    tail.set_len(10 << 30).unwrap();
    tail.write_all_at(b"in the middle", 5 << 30).unwrap();
    tail.write_all_at(b"at the end", (10 << 30) - 10).unwrap();
    File::create(dir.join("nothing but hole")).unwrap().set_len(3 << 20).unwrap();
    let many = File::create(dir.join("many holes")).unwrap();
    for at in 0..2000 {
        many.write_all_at(&[at as u8; 4096], at * 16384).unwrap();
    }
    let end = File::create(dir.join("hole at the end")).unwrap();
    end.write_all_at(&[7; 5000], 0).unwrap();
    end.set_len(1_000_000).unwrap();
    fs::write(dir.join("written zeros"), vec![0; 1 << 20]).unwrap();
    let mixed = File::create(dir.join("large with holes")).unwrap();
    let data = Noise::new(5).bytes(6 << 20);
    mixed.write_all_at(&data, 1 << 20).unwrap();
    mixed.write_all_at(&data[..100_000], 40 << 20).unwrap();
}

fn metadata(root: &Path) {
    let dir = dir(root, "metadata");
    for mode in [0o000, 0o777, 0o4755, 0o2755, 0o1755, 0o7777, 0o600] {
        let path = dir.join(format!("mode {mode:04o}"));
        fs::write(&path, "x").unwrap();
        std::os::unix::fs::chown(&path, Some(12345), Some(54321)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
    for mode in [0o000, 0o1777, 0o2775] {
        let path = dir.join(format!("directory {mode:04o}"));
        fs::create_dir(&path).unwrap();
        fs::write(path.join("inside"), "x").unwrap();
        std::os::unix::fs::chown(&path, Some(4_000_000_000), Some(100)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
    extended_attributes(&dir);
    access_lists(&dir);
}

fn extended_attributes(dir: &Path) {
    let set = |path: &Path, name: &str, value: &[u8]| {
        rustix::fs::lsetxattr(path, name, value, XattrFlags::empty()).unwrap();
    };
    let file = dir.join("attributes");
    fs::write(&file, "x").unwrap();
    set(&file, "user.empty", b"");
    set(&file, "user.binary", &[0, 255, 10, 0]);
    set(&file, &format!("user.{}", "l".repeat(250)), b"a long name");
    set(&file, "user.large", &[b'v'; 2000]);
    set(&file, "trusted.overlay.opaque", b"y");
    // cap_net_bind_service, effective and permitted, version 2
    let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    set(&file, "security.capability", &capability);
    symlink("attributes", dir.join("symlink with attributes")).unwrap();
    set(&dir.join("symlink with attributes"), "trusted.of-a-link", b"1");
    set(dir, "user.on-a-directory", b"2");
}

fn access_lists(dir: &Path) {
    let dir = dir.join("lists");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("file"), "x").unwrap();
    let acl = |args: &[&str], path: &Path| {
        let out = Command::new("setfacl").args(args).arg(path).output().expect("setfacl is installed");
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    };
    acl(&["-m", "u:1234:rwx,g:2345:r--,m::r-x"], &dir.join("file"));
    acl(&["-m", "u:1234:rwx", "-d", "-m", "u:1234:rwx,g:2345:r-x,o::---"], &dir);
    fs::write(dir.join("inherits"), "x").unwrap();
    fs::create_dir(dir.join("inherits too")).unwrap();
}

fn inode_flags(root: &Path) {
    let dir = dir(root, "flags");
    let flags = [
        ("immutable", IFlags::IMMUTABLE),
        ("append", IFlags::APPEND),
        ("nodump", IFlags::NODUMP),
        ("none", IFlags::empty()),
    ];
    for (name, flag) in flags {
        let path = dir.join(name);
        let mut file = File::create(&path).unwrap();
        file.write_all(name.as_bytes()).unwrap();
        let now = rustix::fs::ioctl_getflags(&file).unwrap();
        rustix::fs::ioctl_setflags(&file, now | flag).unwrap();
    }
}

/// 60 levels of 200 bytes: three times PATH_MAX.
fn deeper_than_a_path(root: &Path) {
    let directory = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let open = |at: &OwnedFd, name: &str| rustix::fs::openat(at, name, directory, Mode::empty()).unwrap();
    let mut at: OwnedFd = File::open(dir(root, DEEP)).unwrap().into();
    for level in 0..60 {
        let name = format!("{level:02}{}", "d".repeat(198));
        rustix::fs::mkdirat(&at, &*name, Mode::from_raw_mode(0o755)).unwrap();
        at = open(&at, &name);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&at, "file", flags, Mode::from_raw_mode(0o644)).unwrap();
        File::from(file).write_all(format!("level {level}").as_bytes()).unwrap();
        rustix::fs::symlinkat("../file", &at, "link").unwrap();
    }
    rustix::fs::linkat(&at, "file", &at, "deepest hard link", AtFlags::empty()).unwrap();
}

fn crowded(root: &Path) {
    let dir = dir(root, "crowded");
    for i in 0..scaled(20_000, 100_000) {
        fs::write(dir.join(format!("{i:x}")), i.to_string()).unwrap();
    }
}

fn sizes(root: &Path) {
    let dir = dir(root, "sizes");
    let limits = ChunkLimits::DEFAULT;
    let mut noise = Noise::new(7);
    let chunk_limits = [limits.min, limits.average, limits.max].map(u64::from);
    let boundaries = [0, 1, 4096, 128 << 10].into_iter().chain(chunk_limits).chain(chunk_limits.map(|size| 2 * size));
    for boundary in boundaries {
        for size in [boundary.saturating_sub(1), boundary, boundary + 1] {
            fs::write(dir.join(format!("random {size}")), noise.bytes(size as usize)).unwrap();
            fs::write(dir.join(format!("same {size}")), vec![b's'; size as usize]).unwrap();
        }
    }
}

fn one_gib(root: &Path) {
    let mut file = File::create(root.join("one GiB")).unwrap();
    let mut noise = Noise::new(9);
    for _ in 0..1024 {
        file.write_all(&noise.bytes(1 << 20)).unwrap();
    }
}

fn times(root: &Path) {
    let dir = dir(root, "times");
    let seconds = [-2_000_000_000, -1, 0, 1, 2_147_483_647, 2_147_483_648, 4_294_967_296, 10_000_000_000];
    for (i, tv_sec) in seconds.into_iter().enumerate() {
        let path = dir.join(format!("{tv_sec}"));
        match i % 3 {
            0 => fs::create_dir(&path).unwrap(),
            1 => symlink("nowhere", &path).unwrap(),
            _ => fs::write(&path, "x").unwrap(),
        }
        let time = Timespec { tv_sec, tv_nsec: 999_999_999 - i as i64 };
        let times = Timestamps { last_access: time, last_modification: time };
        rustix::fs::utimensat(CWD, &path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
    }
}
