//! What a power cut leaves of a restore, ended or not: a copy of the disk as it is at that moment, mounted again. Where no
//! ext4 can be mounted the tests say that they were skipped.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use super::batch::Item;
use super::context::Context;
use super::reading::Reading;
use super::report::Collector;
use super::worker::Worker;
use super::*;
use crate::format::Manifest;
use crate::model::{Entry, Extent, RelPath, Timestamp};
use crate::repo::testing::{Entries, TestRepo};
use crate::source::Destination;

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

/// Three small files, one of them with a hole at its end, and what they hold.
fn small_files(repo: &mut TestRepo) -> (Entries, Vec<(&'static str, Vec<u8>)>) {
    let (data, size) = (vec![7; 20_000], 200_000);
    let mut entries = Entries::from([(vec![], Entry::test_dir())]);
    let mtime = Timestamp::new(1_000_000_000, 123_456_789);
    for name in ["first", "second"] {
        let content = repo.bundled(&[&data]).remove(0);
        let entry = Entry { content: Some(content), mtime, ..Entry::test_file(data.len() as u64) };
        entries.insert(name.into(), entry);
    }
    let hole = Entry {
        content: Some(repo.bundled(&[&data]).remove(0)),
        extents: Some(vec![Extent { offset: 0, len: data.len() as u64 }]),
        mtime,
        ..Entry::test_file(size)
    };
    entries.insert("hole".into(), hole);
    let ends_with_hole = [data.clone(), vec![0; size as usize - data.len()]].concat();
    (entries, vec![("first", data.clone()), ("second", data), ("hole", ends_with_hole)])
}

/// Files as a restore writes them, which then does not come to its end.
fn write_files(repo: &TestRepo, manifest: &Manifest, entries: &Entries, to: &Path) {
    let (contents, options) = (repo.open().contents().unwrap(), RestoreOptions::new(RestoreTo::Dir(to.to_path_buf())));
    let plan = Plan::new(manifest, &options).unwrap();
    let destination = Destination::create(to).unwrap();
    let (collector, progress) = (Collector::default(), Progress::default());
    let context = Context::new(&contents, &options, &plan.roots[0], destination.clone(), (&collector, &progress));
    let dir = Arc::new(destination.open_dir(&RelPath::root()).unwrap());
    let mut worker = Worker::new(&context);
    for (name, entry) in entries.iter().filter(|(name, _)| !name.is_empty()) {
        let item = Item { dir: dir.clone(), name: name.clone(), entry: entry.clone() };
        worker.restore(&item, &mut Reading::plain(&context));
    }
    assert_eq!(collector.finish().files, 3);
}

#[test]
fn what_a_power_cut_left_of_a_restore_that_had_not_ended_is_done_again() {
    let (disks, root) = match Disks::new() {
        Ok(made) => made,
        Err(why) => return eprintln!("skipped: no ext4 in a loop image: {why}"),
    };
    let mut repo = TestRepo::new();
    let (entries, expected) = small_files(&mut repo);
    let manifest = repo.commit(&entries);
    write_files(&repo, &manifest, &entries, &root.join("to"));
    // what is known of all files goes to the disk with this one, the data of the others does not
    fs::File::create(root.join("other")).unwrap().sync_all().unwrap();

    fs::copy(disks.path("image"), disks.path("cut")).unwrap();
    let later = disks.mount("cut", "later").unwrap().join("to");
    let options = RestoreOptions::new(RestoreTo::Dir(later.clone()));
    let report = run(&repo.open().contents().unwrap(), &manifest, options, &Progress::default()).unwrap();
    assert_eq!((report.kept, report.problem_count), (0, 0));
    for (name, data) in expected {
        assert!(fs::read(later.join(name)).unwrap() == data, "{name}");
    }
}
