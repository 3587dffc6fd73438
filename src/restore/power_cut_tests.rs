//! What a power cut leaves of a restore that had ended: a copy of the disk as it is at that moment, mounted again. Where no
//! ext4 can be mounted the test says that it was skipped.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::*;
use crate::model::Entry;
use crate::repo::testing::{Entries, TestRepo};

/// Images mounted below a directory, which go away with the value.
struct Disks {
    base: tempfile::TempDir,
}

impl Disks {
    fn path(&self, name: &str) -> PathBuf {
        self.base.path().join(name)
    }

    fn mount(&self, image: &str, at: &str) -> Result<PathBuf, String> {
        let root = self.path(at);
        fs::create_dir(&root).unwrap();
        call("mount", &["-o", "loop", text(&self.path(image)), text(&root)])?;
        Ok(root)
    }

    fn make(&self, image: &str) -> Result<(), String> {
        let image = self.path(image);
        fs::File::create(&image).unwrap().set_len(64 << 20).unwrap();
        call("mkfs.ext4", &["-q", "-F", text(&image)])
    }

    fn new() -> Result<(Self, PathBuf), String> {
        let disks = Self { base: tempfile::tempdir().unwrap() };
        disks.make("image")?;
        let root = disks.mount("image", "mnt")?;
        Ok((disks, root))
    }
}

impl Drop for Disks {
    fn drop(&mut self) {
        for at in ["mnt/below", "mnt", "later"] {
            let _ = call("umount", &["-l", text(&self.path(at))]);
        }
    }
}

fn call(program: &str, args: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(args).output().map_err(|error| format!("{program}: {error}"))?;
    let told = || format!("{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.status.success().then_some(()).ok_or_else(told)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn what_was_restored_to_a_filesystem_below_the_destination_is_there_after_a_power_cut() {
    let (disks, root) = match Disks::new() {
        Ok(made) => made,
        Err(why) => return eprintln!("skipped: no ext4 in a loop image: {why}"),
    };
    disks.make("inner").unwrap();
    disks.mount("inner", "mnt/below").unwrap();
    let mut repo = TestRepo::new();
    let content = repo.bundled(&[b"small"]).remove(0);
    let file = Entry { content: Some(content), ..Entry::test_file(5) };
    let mut entries = Entries::from([(vec![], Entry::test_dir()), (b"below".into(), Entry::test_dir())]);
    entries.extend((0..50).map(|n| (format!("below/f{n}").into_bytes(), file.clone())));
    let manifest = repo.commit(&entries);
    let options = RestoreOptions::new(RestoreTo::Dir(root));
    let report = run(&repo.open().contents().unwrap(), &manifest, options, &Progress::default()).unwrap();
    assert_eq!((report.files, report.problem_count), (50, 0));

    fs::copy(disks.path("inner"), disks.path("cut")).unwrap();
    let later = disks.mount("cut", "later").unwrap();
    let whole = (0..50).filter(|n| fs::read(later.join(format!("f{n}"))).is_ok_and(|read| read == b"small")).count();
    assert_eq!(whole, 50);
}

#[test]
fn what_was_restored_is_there_after_a_power_cut() {
    let (disks, root) = match Disks::new() {
        Ok(made) => made,
        Err(why) => return eprintln!("skipped: no ext4 in a loop image: {why}"),
    };
    let mut repo = TestRepo::new();
    let large: Vec<u8> = (0..3_000_000u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let contents = [repo.bundled(&[b"small"]).remove(0), repo.chunked(&large, 1 << 20)];
    let mut entries = Entries::from([(vec![], Entry::test_dir())]);
    for ((name, size), content) in [("small", 5), ("large", large.len() as u64)].into_iter().zip(contents) {
        entries.insert(name.into(), Entry { content: Some(content), ..Entry::test_file(size) });
    }
    let manifest = repo.commit(&entries);
    let options = RestoreOptions::new(RestoreTo::Dir(root.join("to")));
    let report = run(&repo.open().contents().unwrap(), &manifest, options, &Progress::default()).unwrap();
    assert_eq!((report.files, report.problem_count), (2, 0));

    fs::copy(disks.path("image"), disks.path("cut")).unwrap();
    let later = disks.mount("cut", "later").unwrap().join("to");
    assert_eq!(fs::read(later.join("small")).unwrap(), b"small");
    assert!(fs::read(later.join("large")).unwrap() == large);
}
