//! Whole and damaged repositories made by hand.

use super::*;
use crate::model::{Entry, Seq};
use crate::repo::testing::{Entries, TestRepo};

fn file(repo: &mut TestRepo, data: &[u8]) -> Entry {
    let content = repo.chunked(data, 100);
    Entry { content: Some(content), ..Entry::test_file(data.len() as u64) }
}

/// Three snapshots; `old` is in all, `new` in the last two, each in a pack of its own.
fn repo() -> TestRepo {
    let mut repo = TestRepo::new();
    let mut entries = Entries::from([(vec![], Entry::test_dir())]);
    entries.insert(b"old".to_vec(), file(&mut repo, &[1; 250]));
    repo.commit(&entries);
    entries.insert(b"new".to_vec(), file(&mut repo, &[2; 250]));
    repo.commit(&entries);
    repo.commit(&entries);
    repo
}

fn check(repo: &TestRepo, read_data: u8) -> CheckReport {
    run(&repo.open(), CheckOptions { read_data }, &CheckProgress::default()).unwrap()
}

fn codes(report: &CheckReport) -> Vec<FindingCode> {
    let mut codes: Vec<_> = report.findings.iter().map(|finding| finding.code).collect();
    codes.dedup();
    codes
}

fn names(repo: &TestRepo, folder: &str) -> Vec<crate::store::ObjectName> {
    let all = repo.store.list("machines/").unwrap();
    all.into_iter().map(|listed| listed.name).filter(|name| name.as_str().contains(folder)).collect()
}

#[test]
fn a_whole_repository_is_clean() {
    let repo = repo();
    for read_data in [0, 100] {
        let report = check(&repo, read_data);
        assert!(report.is_clean(), "{report:?}");
        assert_eq!(report.snapshots, 3);
        assert_eq!(report.packs_read > 0, read_data > 0);
    }
}

#[test]
fn a_damaged_pack_is_found_by_reading_and_the_files_that_it_costs_are_named() {
    let repo = repo();
    repo.change(names(&repo, "/packs/")[0].as_str(), |bytes| bytes[400..].fill(0));
    assert!(check(&repo, 0).is_clean(), "without reading data it cannot be seen");
    let report = check(&repo, 100);
    assert_eq!(codes(&report), [FindingCode::PackChanged, FindingCode::Frame]);
    assert_eq!(report.damage_count, 1, "{report:?}");
    let damage = &report.damage[0];
    let expected = match damage.path.as_str() {
        "/home/u/old" => vec![Seq(1), Seq(2), Seq(3)],
        "/home/u/new" => vec![Seq(2), Seq(3)],
        other => panic!("{other}"),
    };
    assert_eq!(damage.snapshots, expected);
}

#[test]
fn a_missing_and_a_cut_pack_are_found_without_reading() {
    let missing = repo();
    missing.store.delete(&names(&missing, "/packs/")[0]).unwrap();
    let report = check(&missing, 0);
    assert_eq!((codes(&report), report.damage_count), (vec![FindingCode::PackMissing], 1));
    let cut = repo();
    cut.change(names(&cut, "/packs/")[0].as_str(), |bytes| bytes.truncate(500));
    let report = check(&cut, 0);
    assert_eq!((codes(&report), report.damage_count), (vec![FindingCode::PackSize], 1));
}

#[test]
fn a_chunk_whose_other_place_is_whole_costs_nothing() {
    let mut repo = repo();
    // the same content again, in a pack of its own
    let mut entries = Entries::from([(vec![], Entry::test_dir())]);
    entries.insert(b"old".to_vec(), file(&mut repo, &[1; 250]));
    repo.commit(&entries);
    let packs = names(&repo, "/packs/");
    assert_eq!(packs.len(), 3);
    let mut same = Vec::new();
    for pack in packs {
        let bytes = repo.store.get(&pack, u64::MAX).unwrap();
        repo.store.delete(&pack).unwrap();
        let report = check(&repo, 0);
        let found: Vec<_> = report.made_good.iter().chain(&report.findings).map(|finding| finding.code).collect();
        assert_eq!(found, [FindingCode::PackMissing]);
        assert_eq!((report.made_good.len(), report.damage_count), if report.is_clean() { (1, 0) } else { (0, 1) });
        same.extend(report.is_clean().then(|| pack.clone()));
        let source = crate::store::PutSource::Bytes(&bytes);
        repo.store.put_if_absent(&pack, source, crate::model::StorageClass::Standard).unwrap();
    }
    assert_eq!(same.len(), 2, "of three packs two hold the same");
    // both of the same: neither stands in for the other
    same.iter().for_each(|pack| repo.store.delete(pack).unwrap());
    let report = check(&repo, 0);
    assert_eq!((report.made_good.len(), report.findings.len(), report.damage_count), (0, 2, 1));
}

#[test]
fn a_damaged_pack_is_made_good_when_all_that_was_in_it_lies_elsewhere_also_when_data_is_read() {
    let mut repo = repo();
    let before = names(&repo, "/packs/");
    let mut entries = Entries::from([(vec![], Entry::test_dir())]);
    entries.insert(b"old".to_vec(), file(&mut repo, &[1; 250]));
    repo.commit(&entries);
    let again = names(&repo, "/packs/").into_iter().find(|name| !before.contains(name)).unwrap();
    repo.change(again.as_str(), |bytes| bytes[400..].fill(0));
    let report = check(&repo, 100);
    assert!(report.is_clean() && !report.made_good.is_empty(), "{report:?}");
}

#[test]
fn packs_without_any_snapshot_are_a_finding() {
    let repo = repo();
    names(&repo, "/snapshots/").iter().for_each(|name| repo.store.delete(name).unwrap());
    let report = check(&repo, 0);
    assert_eq!(codes(&report), [FindingCode::NoSnapshot]);
    assert!(report.findings[0].message.contains(&format!("{} of its packs", report.packs)), "{report:?}");
}

#[test]
fn what_was_lost_together_with_its_index_can_be_stored_again_too() {
    let repo = repo();
    names(&repo, "/index/").iter().for_each(|name| repo.store.delete(name).unwrap());
    let report = check(&repo, 0);
    assert!(report.is_clean() && !report.can_be_stored_again(), "{report:?}");
    assert_eq!(report.packs_unlisted, report.packs);
    repo.store.delete(&names(&repo, "/packs/")[0]).unwrap();
    let report = check(&repo, 0);
    assert!(report.damage_count == 1 && report.findings.is_empty() && report.can_be_stored_again(), "{report:?}");
}

#[test]
fn a_pack_without_index_and_directory_is_a_finding_and_costs_nothing_while_its_frames_are_right() {
    let repo = repo();
    names(&repo, "/index/").iter().for_each(|name| repo.store.delete(name).unwrap());
    for folder in ["/packs/", "/trees/"] {
        let pack = names(&repo, folder).remove(0);
        repo.change(pack.as_str(), |bytes| *bytes.last_mut().unwrap() ^= 1);
        let report = check(&repo, 0);
        let found = report.findings.iter().find(|finding| finding.object == pack.as_str()).unwrap();
        assert!(found.code == FindingCode::PackDirectory && found.message.contains("found one by one"), "{found:?}");
        assert_eq!(report.damage_count, 0, "{report:?}");
        assert_eq!(report.packs_unlisted + report.findings.len() as u64, report.packs);
    }
    let pack = names(&repo, "/packs/").remove(1);
    repo.change(pack.as_str(), |bytes| bytes[50] ^= 1);
    let report = check(&repo, 0);
    let found = report.findings.iter().find(|finding| finding.object == pack.as_str()).unwrap();
    assert!(found.message.contains("nothing in it can be found"), "{found:?}");
    assert!(report.damage_count == 1 && report.can_be_stored_again(), "{report:?}");
}

#[test]
fn an_archived_pack_that_no_index_object_lists_is_counted_and_no_finding() {
    let mut repo = TestRepo::at(crate::store::Store::memory_bucket());
    repo.class = crate::model::StorageClass::DeepArchive;
    let entries = Entries::from([(b"f".to_vec(), file(&mut repo, &[1; 250]))]);
    repo.commit(&entries);
    names(&repo, "/index/").iter().for_each(|name| repo.store.delete(name).unwrap());
    let report = check(&repo, 0);
    assert_eq!((report.packs_unlisted, report.packs_unlisted_archived), (1, 1), "{report:?}");
    assert!(report.findings.is_empty(), "{report:?}");
}

#[test]
fn a_part_of_the_data_is_never_none_of_it_and_as_large_as_was_said() {
    let mut repo = TestRepo::new();
    let mut entries = Entries::from([(vec![], Entry::test_dir())]);
    for at in 0..5u8 {
        entries.insert(vec![b'a' + at], file(&mut repo, &[at; 250]));
        repo.commit(&entries);
    }
    for (percent, packs) in [(0, 0), (1, 1), (10, 1), (11, 2), (20, 2), (99, 10), (100, 10)] {
        let report = check(&repo, percent);
        assert_eq!((report.packs_read, report.packs), (packs, 10), "{percent} %");
    }
}

#[test]
fn packs_of_nodes_that_do_not_open_are_named_to_be_stored_again() {
    let repo = repo();
    repo.damage("/trees/");
    let report = check(&repo, 0);
    assert_eq!(codes(&report), [FindingCode::Frame]);
    assert!(report.damage_count > 0 && report.can_be_stored_again(), "{report:?}");
}

#[test]
fn what_the_disk_cannot_read_is_named_with_what_it_costs() {
    use std::os::unix::fs::symlink;
    let dir = tempfile::tempdir().unwrap();
    let url = crate::store::StoreUrl::from_path(dir.path()).unwrap();
    let mut repo = TestRepo::at(crate::store::Store::create(&url).unwrap());
    let mut entries = Entries::from([(vec![], Entry::test_dir())]);
    for name in [&b"a"[..], b"b"] {
        entries.insert(name.to_vec(), file(&mut repo, name.repeat(250).as_slice()));
        repo.commit(&entries);
    }
    // links that lead to themselves: they are there, and nothing can be known of them
    let break_first = |folder| {
        let name = names(&repo, folder).remove(0);
        let path = dir.path().join(name.as_str());
        std::fs::remove_file(&path).unwrap();
        symlink(&path, &path).unwrap();
    };
    break_first("/index/");
    let report = check(&repo, 0);
    assert_eq!((codes(&report), report.damage_count), (vec![FindingCode::Index], 0));
    break_first("/packs/");
    for read_data in [0, 100] {
        let report = check(&repo, read_data);
        let expected = [FindingCode::Index, FindingCode::PackUnreadable];
        assert_eq!((codes(&report), report.damage_count), (expected.to_vec(), 1), "{report:?}");
        assert!(report.can_be_stored_again());
    }
}

fn put(target: &crate::store::Store, name: &crate::store::ObjectName, bytes: &[u8]) {
    let source = crate::store::PutSource::Bytes(bytes);
    target.put_if_absent(name, source, crate::model::StorageClass::Standard).unwrap();
}

#[test]
fn what_a_backup_adds_during_a_check_is_no_finding() {
    use crate::store::{Moment, Verb};
    use std::sync::Mutex;
    let mut repo = repo();
    let seen = repo.store.list("").unwrap();
    let entries = Entries::from([(b"f".to_vec(), file(&mut repo, &[9; 250]))]);
    repo.commit(&entries);
    // taken away again, to come back at any one list of the check
    let added: Vec<_> = repo.store.list("").unwrap().into_iter().filter(|listed| !seen.contains(listed)).collect();
    assert_eq!(added.len(), 4, "a pack of content, one of a tree, an index object, a manifest");
    for nth in 1..=12 {
        let objects: Vec<_> =
            added.iter().map(|o| (o.name.clone(), repo.store.get(&o.name, u64::MAX).unwrap())).collect();
        added.iter().for_each(|listed| repo.store.delete(&listed.name).unwrap());
        let (store, faults) = repo.store.clone().failing();
        let waiting = Mutex::new((nth, objects.clone()));
        let target = repo.store.clone();
        faults.around(Verb::List, Moment::Before, move || {
            let (left, objects) = &mut *waiting.lock().unwrap();
            *left -= 1;
            if *left == 0 {
                objects.drain(..).for_each(|(name, bytes)| put(&target, &name, &bytes));
            }
        });
        let repository = repo.open().through(store);
        let report = run(&repository, CheckOptions { read_data: 100 }, &CheckProgress::default()).unwrap();
        assert!(report.is_clean(), "at list {nth}: {report:?}");
        for (name, bytes) in &objects {
            if repo.store.head(name).unwrap().is_none() {
                put(&repo.store, name, bytes);
            }
        }
    }
}

#[test]
fn a_lost_tree_node_is_damage_of_the_snapshots_that_need_it() {
    let repo = repo();
    repo.damage("/trees/");
    let report = check(&repo, 0);
    assert!(report.damage_count >= 1, "{report:?}");
    assert!(report.damage.iter().all(|damage| damage.path == "/home/u"), "{report:?}");
}

#[test]
fn a_snapshot_that_was_taken_away_or_exchanged_breaks_the_chain() {
    let gone = repo();
    gone.store.delete(&names(&gone, "/snapshots/")[1]).unwrap();
    assert_eq!(codes(&check(&gone, 0)), [FindingCode::Gap]);
    assert!(check(&gone, 0).findings[0].message.starts_with("the one before it is missing"));
    let junk = repo();
    let name = names(&junk, "/snapshots/")[0].as_str().replace("00000000000000000001", "18446744073709551615");
    let name = crate::store::ObjectName::parse(&name).unwrap();
    put(&junk.store, &name, b"junk");
    let report = check(&junk, 0);
    assert_eq!(codes(&report), [FindingCode::Manifest, FindingCode::Gap]);
    assert!(report.findings[1].message.starts_with("it does not follow snapshot"), "{report:?}");
    let damaged = repo();
    damaged.damage("/snapshots/00000000000000000002");
    assert_eq!(codes(&check(&damaged, 0)), [FindingCode::Manifest]);
}

#[test]
fn a_damaged_index_costs_nothing_while_the_packs_are_right() {
    let repo = repo();
    repo.damage("/index/");
    let report = check(&repo, 0);
    assert_eq!(codes(&report), [FindingCode::Index]);
    assert_eq!(report.damage_count, 0, "{report:?}");
}

#[test]
fn a_stopped_check_says_so() {
    let progress = CheckProgress::default();
    progress.stop();
    let stopped = run(&repo().open(), CheckOptions::default(), &progress);
    assert!(matches!(stopped, Err(CheckError::Interrupted)));
}

#[test]
fn a_snapshot_of_a_key_that_a_recovery_replaced_is_named_and_restores_all_the_same() {
    let mut repo = repo();
    let old = repo.keys.clone();
    let opened = repo.open();
    let machine = opened.machine(old.machine_id).unwrap();
    repo.keys = crate::repo::take_over(&opened, &repo.secret, &machine).unwrap();
    let entries = Entries::from([(vec![], Entry::test_dir())]);
    assert_eq!(repo.commit(&entries).serial, crate::crypto::Serial(2));
    assert!(check(&repo, 100).is_clean(), "a recovery is no damage");
    repo.keys = old;
    repo.commit(&entries);
    let report = check(&repo, 100);
    assert_eq!(codes(&report), [FindingCode::Chain]);
    assert_eq!((report.damage_count, report.findings[0].object.ends_with("00000000000000000005")), (0, true));
}

#[test]
fn a_pack_is_read_once_for_its_name_and_all_its_frames() {
    let mut repo = TestRepo::at(crate::store::Store::memory_bucket());
    let data: Vec<u8> = (0..300_000u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let content = repo.chunked(&data, 10_000);
    let entry = Entry { content: Some(content), ..Entry::test_file(data.len() as u64) };
    repo.commit(&Entries::from([(vec![], Entry::test_dir()), (b"f".to_vec(), entry)]));
    let packs: u64 = repo.store.list("machines/").unwrap().iter().map(|object| object.size).sum();
    let (repository, recorder) = repo.open_recorded();
    let report = run(&repository, CheckOptions { read_data: 100 }, &CheckProgress::default()).unwrap();
    assert!(report.is_clean() && report.bytes_read > 1_200_000, "{report:?}");
    let ranges = recorder.counts(crate::store::Verb::GetRange);
    assert!(ranges.bytes <= packs + packs / 50 && ranges.calls <= 8, "{ranges:?}, {packs} bytes stored");
}

#[test]
fn a_file_without_content_is_damage_unless_its_entry_says_that_it_could_not_be_read() {
    let mut repo = TestRepo::new();
    let told = crate::model::EntryFlags::default().with(crate::model::EntryFlags::UNREADABLE);
    let mut entries = Entries::from([(vec![], Entry::test_dir())]);
    entries.insert(b"told".to_vec(), Entry { flags: told, ..Entry::test_file(15) });
    entries.insert(b"hole".to_vec(), Entry { extents: Some(vec![]), ..Entry::test_file(15) });
    entries.insert(b"empty".to_vec(), Entry::test_file(0));
    repo.commit(&entries);
    assert!(check(&repo, 0).is_clean());
    entries.insert(b"zfile".to_vec(), Entry::test_file(15));
    repo.commit(&entries);
    let report = check(&repo, 0);
    assert_eq!((report.damage_count, report.findings.len()), (1, 0), "{report:?}");
}
