//! Directories on different filesystems, gone when dropped.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::is_root;

pub struct Place {
    pub kind: &'static str,
    path: PathBuf,
    mounted: bool,
    // dropped after the unmount
    _dir: tempfile::TempDir,
}

impl Place {
    pub fn temporary() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { kind: "temporary directory", path: dir.path().to_path_buf(), mounted: false, _dir: dir }
    }

    /// In memory where the machine offers it: for very many files.
    pub fn fast() -> tempfile::TempDir {
        let memory = Path::new("/dev/shm");
        if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
    }

    /// `None`, and a word about it, when this machine cannot.
    pub fn tmpfs(size: &str) -> Option<Self> {
        Self::mount("tmpfs", |_, at| run("mount", &["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs", text(at)]))
    }

    /// It keeps no attributes.
    pub fn ramfs() -> Option<Self> {
        Self::mount("ramfs", |_, at| run("mount", &["-t", "ramfs", "ramfs", text(at)]))
    }

    pub fn image(kind: &'static str, mkfs: &[&str]) -> Option<Self> {
        Self::mount(kind, |image, at| {
            std::fs::File::create(image).unwrap().set_len(400 << 20).unwrap();
            run(mkfs[0], &[&mkfs[1..], &[text(image)]].concat()) && run("mount", &["-o", "loop", text(image), text(at)])
        })
    }

    /// One of each kind that this machine can have.
    pub fn all() -> Vec<Self> {
        let images = [
            Self::tmpfs("200m"),
            Self::image("ext4", &["mkfs.ext4", "-q", "-F", "-b", "4096"]),
            Self::image("btrfs", &["mkfs.btrfs", "-q", "-f"]),
            Self::image("xfs", &["mkfs.xfs", "-q", "-f"]),
        ];
        std::iter::once(Self::temporary()).chain(images.into_iter().flatten()).collect()
    }

    fn mount(kind: &'static str, mount: impl FnOnce(&Path, &Path) -> bool) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().join("mounted");
        std::fs::create_dir(&at).unwrap();
        if !is_root() || !mount(&dir.path().join("image"), &at) {
            eprintln!("skipped: {kind}: it needs root, mkfs and a loop device");
            return None;
        }
        Some(Self { kind, path: at, mounted: true, _dir: dir })
    }

    /// Alters every copy of `pattern` on the disk of an image, behind the back of its filesystem. How many there were.
    pub fn damage(&self, pattern: &[u8]) -> usize {
        let image = self.path.with_file_name("image");
        assert!(run("umount", &[text(&self.path)]));
        let bytes = std::fs::read(&image).unwrap();
        let found: Vec<usize> = (0..bytes.len() - pattern.len())
            .step_by(DISK_BLOCK)
            .filter(|at| bytes[*at..].starts_with(pattern))
            .collect();
        let file = std::fs::File::options().write(true).open(&image).unwrap();
        found.iter().for_each(|at| file.write_all_at(&[!bytes[*at]], *at as u64).unwrap());
        drop(file);
        assert!(run("mount", &["-o", "loop", text(&image), text(&self.path)]));
        found.len()
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn dir(&self, name: &str) -> PathBuf {
        let path = self.path.join(name);
        std::fs::create_dir(&path).unwrap();
        path
    }
}

/// File content begins at multiples of it on all filesystems here.
const DISK_BLOCK: usize = 4096;

impl Drop for Place {
    fn drop(&mut self) {
        if self.mounted && !run("umount", &[text(&self.path)]) {
            run("umount", &["-l", text(&self.path)]);
        }
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn run(program: &str, args: &[&str]) -> bool {
    let status = Command::new(program).args(args).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}
