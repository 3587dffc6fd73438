//! Restores from a target where each request is dear: how many there are, and that damage costs no more than elsewhere.

use std::fs;

use rustix::io::Errno;

use super::*;
use crate::format::Manifest;
use crate::model::{Entry, ProblemCode, StorageClass};
use crate::repo::testing::{Entries, TestRepo};
use crate::store::{Faults, Store, Verb};

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
fn packs_that_are_known_to_be_frozen_are_not_asked_for() {
    let mut f = Fixture::new();
    f.repo.class = StorageClass::DeepArchive;
    (0..5u8).for_each(|n| f.file(&format!("cold{n}"), &noise(n, 40_000)));
    f.commit();
    f.repo.class = StorageClass::Standard;
    f.file("warm", &noise(7, 40_000));
    let manifest = f.commit();
    let options = RestoreOptions { leave_archived: true, ..f.options() };
    let reads = Reads::find(&f.repo.open().contents().unwrap(), &manifest, &options).unwrap();
    let (store, faults) = f.repo.store.clone().failing();
    reads.frozen().iter().for_each(|pack| faults.fail_named(Verb::GetRange, &pack.hash.to_string(), Errno::INVAL));
    let repository = crate::repo::Repository::open(store, &f.repo.secret).unwrap();
    let contents = repository.contents().unwrap().with_frozen(reads.frozen());
    let report = run(&contents, &manifest, options, &Progress::default()).unwrap();
    assert_eq!((report.files, report.archived, report.problem_count), (1, 5, 0), "{:?}", report.problems);
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

/// Three packs of three files each, and a store that fails as it is told.
fn three_packs() -> (Fixture, Manifest, Vec<String>, Store, Faults) {
    let mut f = Fixture::new();
    for pack in 0..3u8 {
        (0..3u8).for_each(|n| f.file(&format!("f{pack}{n}"), &noise(pack * 3 + n, 20_000)));
        f.commit();
    }
    let manifest = f.commit();
    let contents = f.repo.open().contents().unwrap();
    let packs = needed_packs(&contents, &manifest, &f.options()).unwrap().packs;
    let packs = packs.iter().map(|needed| needed.pack.hash.to_string()).collect();
    let (store, faults) = f.repo.store.clone().failing();
    (f, manifest, packs, store, faults)
}

fn of_failing(f: &Fixture, store: Store, manifest: &Manifest) -> Result<RestoreReport, RestoreError> {
    let contents = crate::repo::Repository::open(store, &f.repo.secret).unwrap().contents().unwrap();
    run(&contents, manifest, f.options(), &Progress::default())
}

#[test]
fn a_target_that_gives_nothing_any_more_ends_the_restore_and_costs_no_file() {
    for errno in [Errno::TIMEDOUT, Errno::ACCESS] {
        let (f, manifest, _, store, faults) = three_packs();
        faults.fail_named(Verb::GetRange, "/packs/", errno);
        let error = of_failing(&f, store.clone(), &manifest).unwrap_err();
        assert!(matches!(error, RestoreError::TargetFails(_)), "{error:?}");
        assert!(error.to_string().contains("started again"), "{error}");
        faults.clear();
        let report = of_failing(&f, store, &manifest).unwrap();
        assert_eq!((report.files, report.problem_count), (9, 0));
    }
}

#[test]
fn trees_that_are_not_given_any_more_end_the_restore_as_well() {
    let (f, manifest, _, store, faults) = three_packs();
    let contents = crate::repo::Repository::open(store, &f.repo.secret).unwrap().contents().unwrap();
    [Verb::Get, Verb::GetRange].iter().for_each(|verb| faults.fail_all(*verb, Errno::TIMEDOUT));
    let error = run(&contents, &manifest, f.options(), &Progress::default()).unwrap_err();
    assert!(matches!(error, RestoreError::TargetFails(_)), "{error:?}");
}

#[test]
fn one_pack_that_is_not_given_is_a_problem_of_its_files_and_no_outage() {
    for (errno, remedy) in [(Errno::TIMEDOUT, "goes on where it stopped"), (Errno::ACCESS, "credentials")] {
        let (f, manifest, packs, store, faults) = three_packs();
        faults.fail_named(Verb::GetRange, &packs[1], errno);
        let report = of_failing(&f, store, &manifest).unwrap();
        assert_eq!((report.files, report.problem_count), (6, 3), "{:?}", report.problems);
        for problem in &report.problems {
            assert!(problem.code == ProblemCode::Target && problem.remedy.contains(remedy), "{problem:?}");
        }
    }
}

#[test]
fn two_packs_of_three_that_are_not_given_are_no_outage_either() {
    let (f, manifest, packs, store, faults) = three_packs();
    packs[..2].iter().for_each(|pack| faults.fail_named(Verb::GetRange, pack, Errno::TIMEDOUT));
    let report = of_failing(&f, store, &manifest).unwrap();
    assert_eq!((report.files, report.problem_count), (3, 6), "{:?}", report.problems);
}
