//! Restores from a target where each request is dear: how many there are, and that damage costs no more than elsewhere.

use std::fs;

use super::*;
use crate::format::Manifest;
use crate::model::{Entry, ProblemCode, StorageClass};
use crate::repo::testing::{Entries, TestRepo};
use crate::store::{Store, Verb};

struct Fixture {
    repo: TestRepo,
    entries: Entries,
    dir: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Self {
        let entries = Entries::from([(vec![], Entry::test_dir())]);
        Self { repo: TestRepo::at(Store::memory_bucket()), entries, dir: tempfile::tempdir().unwrap() }
    }

    /// One chunk.
    fn file(&mut self, path: &str, data: &[u8]) {
        let content = self.repo.chunked(data, data.len());
        self.add(path, data.len(), content);
    }

    fn bundle(&mut self, files: &[(String, Vec<u8>)]) {
        let contents: Vec<&[u8]> = files.iter().map(|(_, data)| &data[..]).collect();
        for ((path, data), content) in files.iter().zip(self.repo.bundled(&contents)) {
            self.add(path, data.len(), content);
        }
    }

    fn add(&mut self, path: &str, len: usize, content: crate::model::Content) {
        self.entries.insert(path.into(), Entry { content: Some(content), ..Entry::test_file(len as u64) });
    }

    fn commit(&mut self) -> Manifest {
        self.repo.commit(&self.entries)
    }

    fn options(&self) -> RestoreOptions {
        RestoreOptions::new(RestoreTo::Dir(self.dir.path().join("to")))
    }

    /// The report, requests for ranges, and their bytes.
    fn restore(&self, manifest: &Manifest, options: RestoreOptions) -> (RestoreReport, u64, u64) {
        let (repository, recorder) = self.repo.open_recorded();
        let report = run(&repository.contents().unwrap(), manifest, options, &Progress::default()).unwrap();
        let ranges = recorder.counts(Verb::GetRange);
        (report, ranges.calls, ranges.bytes)
    }

    fn read(&self, path: &str) -> Option<Vec<u8>> {
        fs::read(self.dir.path().join("to").join(path)).ok()
    }

    fn stored_packs(&self) -> u64 {
        let packs = self.repo.store.list("machines/").unwrap();
        packs.iter().filter(|object| object.name.as_str().contains("/packs/")).map(|object| object.size).sum()
    }
}

fn noise(seed: u8, len: usize) -> Vec<u8> {
    let blocks = (0..=len / 32).flat_map(|n| crate::crypto::hash(&[&[seed][..], &n.to_le_bytes()].concat()).0);
    blocks.take(len).collect()
}

#[test]
fn neighbours_come_in_few_requests_and_hardly_more_bytes_than_are_needed() {
    let mut f = Fixture::new();
    let large = noise(1, 6_000_000);
    let content = f.repo.chunked(&large, 200_000);
    f.add("large", large.len(), content);
    for n in 0..40u8 {
        f.file(&format!("photo{n:02}"), &noise(n, 150_000));
    }
    for n in 0..20u8 {
        let small = |at| (format!("small{n:02}-{at:02}"), noise(n ^ at | 64, 2_000));
        f.bundle(&(0..50).map(small).collect::<Vec<_>>());
    }
    let manifest = f.commit();
    let (report, requests, bytes) = f.restore(&manifest, f.options());
    assert_eq!((report.files, report.problem_count), (1041, 0));
    assert!(f.read("large").unwrap() == large);
    assert!(f.read("photo07").unwrap() == noise(7, 150_000));
    // 30 chunks in 4 parts, 6 MB of photos in two batches, 20 bundles in five
    assert!(requests <= 20, "{requests} requests for 90 frames");
    let needed = f.stored_packs();
    assert!(bytes <= needed + needed / 10, "{bytes} bytes read, {needed} stored");
}

#[test]
fn a_damaged_frame_costs_its_own_file_and_no_neighbour() {
    let mut f = Fixture::new();
    for n in 0..9u8 {
        f.file(&format!("f{n}"), &noise(n, 50_000));
    }
    let manifest = f.commit();
    f.repo.damage("/packs/");
    let (report, ..) = f.restore(&manifest, f.options());
    let problems: Vec<_> = report.problems.iter().map(|p| (p.path.as_str(), p.code)).collect();
    assert_eq!(problems, [("/home/u/f4", ProblemCode::Damaged)]);
    for n in (0..9u8).filter(|n| *n != 4) {
        assert!(f.read(&format!("f{n}")).unwrap() == noise(n, 50_000), "{n}");
    }
}

#[test]
fn of_a_pack_that_was_cut_off_everything_before_the_cut_comes_back() {
    let mut f = Fixture::new();
    for n in 0..9u8 {
        f.file(&format!("f{n}"), &noise(n, 50_000));
    }
    let manifest = f.commit();
    f.repo.change("/packs/", |bytes| bytes.truncate(bytes.len() / 2));
    let (report, ..) = f.restore(&manifest, f.options());
    assert!(report.problems.iter().all(|problem| problem.code == ProblemCode::Damaged), "{:?}", report.problems);
    assert!((0..4u8).all(|n| f.read(&format!("f{n}")) == Some(noise(n, 50_000))), "{:?}", report.problems);
    assert_eq!(report.files + report.problem_count, 9);
}

#[test]
fn a_restore_that_goes_on_does_not_read_again_what_is_there() {
    let mut f = Fixture::new();
    f.file("one", &noise(1, 150_000));
    f.bundle(&[("two".to_owned(), noise(2, 10_000))]);
    let manifest = f.commit();
    let (_, first, _) = f.restore(&manifest, f.options());
    let (report, again, bytes) = f.restore(&manifest, f.options());
    assert_eq!((report.skipped, report.files), (2, 0));
    assert!(again < first && bytes < 10_000, "{again} requests, {bytes} bytes");
}

#[test]
fn what_is_archived_is_left_and_what_reads_at_once_is_not_asked_of_an_archive() {
    let mut f = Fixture::new();
    f.repo.class = StorageClass::DeepArchive;
    f.file("cold", &noise(1, 40_000));
    f.file("both", &noise(2, 40_000));
    f.commit();
    f.repo.class = StorageClass::Standard;
    f.file("both", &noise(2, 40_000));
    let manifest = f.commit();
    let classes: Vec<_> = needed_packs(&f.repo.open().contents().unwrap(), &manifest, &f.options())
        .unwrap()
        .packs
        .iter()
        .map(|p| (p.class, p.frames))
        .collect();
    assert!(classes.contains(&(StorageClass::DeepArchive, 1)), "{classes:?}");
    assert!(classes.contains(&(StorageClass::Standard, 1)), "{classes:?}");
    let (report, ..) = f.restore(&manifest, RestoreOptions { leave_archived: true, ..f.options() });
    assert_eq!((report.files, report.archived, report.problem_count), (1, 1, 0));
    assert!(f.read("both").unwrap() == noise(2, 40_000) && f.read("cold").is_none());
}

#[test]
fn what_is_damaged_where_it_reads_at_once_is_wanted_of_the_archive_that_has_it_too() {
    let mut f = Fixture::new();
    f.repo.class = StorageClass::DeepArchive;
    f.file("both", &noise(2, 40_000));
    f.commit();
    f.repo.class = StorageClass::Standard;
    f.file("both", &noise(2, 40_000));
    let manifest = f.commit();
    let repository = f.repo.open();
    let hot = needed_packs(&repository.contents().unwrap(), &manifest, &f.options()).unwrap().packs[0].pack;
    f.repo.damage(&format!("/packs/{}", hot.hash));
    let classes = || {
        let contents = repository.contents().unwrap();
        let needed = needed_packs(&contents, &manifest, &f.options()).unwrap();
        needed.packs.iter().map(|p| p.class).collect::<Vec<_>>()
    };
    assert_eq!((classes(), repository.damaged_copies()), (vec![StorageClass::Standard], 0));
    let contents = repository.contents().unwrap();
    let options = RestoreOptions { leave_archived: true, ..f.options() };
    let report = run(&contents, &manifest, options, &Progress::default()).unwrap();
    assert_eq!((report.files, report.archived, report.problem_count), (0, 1, 0));
    assert_eq!((classes(), repository.damaged_copies()), (vec![StorageClass::DeepArchive], 1));
}

#[test]
fn a_walk_through_a_tree_reads_siblings_together() {
    let mut f = Fixture::new();
    for n in 0..20_000 {
        f.entries.insert(format!("d/{n:05}").into_bytes(), Entry::test_link(b"nowhere"));
    }
    f.entries.insert(b"d".to_vec(), Entry::test_dir());
    let manifest = f.commit();
    let (repository, recorder) = f.repo.open_recorded();
    let totals = plan(&repository.contents().unwrap(), &manifest, &f.options()).unwrap().totals.unwrap();
    assert_eq!((totals.others, totals.lost), (20_000, 0));
    let requests = recorder.calls(Verb::GetRange);
    assert!(requests <= 6, "{requests} requests for some eighty leaves");
}

#[test]
fn batches_that_share_a_bundle_read_it_once() {
    let mut f = Fixture::new();
    let files: Vec<_> =
        (0..3_000u32).map(|n| (format!("{n:04}"), noise((n % 251) as u8, 1 + n as usize % 7))).collect();
    f.bundle(&files);
    let manifest = f.commit();
    let (report, _, bytes) = f.restore(&manifest, f.options());
    assert_eq!((report.files, report.problem_count), (3_000, 0));
    let whole = f.repo.store.list("machines/").unwrap().iter().map(|object| object.size).sum::<u64>();
    assert!(bytes <= whole, "{bytes} bytes read, {whole} stored");
}

#[test]
fn where_nothing_is_archived_that_is_known_from_one_list_without_reading_a_tree() {
    let mut f = Fixture::new();
    f.file("a", &noise(1, 40_000));
    let manifest = f.commit();
    let (repository, recorder) = f.repo.open_recorded();
    let contents = repository.contents().unwrap();
    let calls = || [recorder.calls(Verb::List), recorder.calls(Verb::GetRange)];
    let [lists, ranges] = calls();
    assert_eq!(Reads::of_archive(&contents, &manifest, &f.options()).unwrap(), None);
    assert_eq!(calls(), [lists + 1, ranges]);
    run(&contents, &manifest, f.options(), &Progress::default()).unwrap();
    assert_eq!(calls()[0], lists + 1);
}
