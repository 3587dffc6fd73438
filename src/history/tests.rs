//! Questions to small repositories made by hand.

use super::*;
use crate::model::{Entry, Seq, Timestamp};
use crate::repo::testing::{Entries, TestRepo};

fn entries(paths: &[&str]) -> Entries {
    let entry = |path: &&str| {
        let entry = if path.ends_with('/') || path.is_empty() { Entry::test_dir() } else { Entry::test_file(0) };
        (path.trim_end_matches('/').as_bytes().to_vec(), entry)
    };
    paths.iter().map(entry).collect()
}

fn shown(event: HistoryEvent) -> String {
    match event {
        HistoryEvent::Entry(found) => String::from_utf8(found.shown).unwrap(),
        HistoryEvent::Lost { message, .. } => format!("lost: {message}"),
    }
}

#[test]
fn a_snapshot_is_picked_by_number_by_time_and_as_the_latest() {
    let mut repo = TestRepo::new();
    (0..3).for_each(|_| drop(repo.commit(&entries(&[""]))));
    let repository = repo.open();
    let machine = pick_machine(&repository, None).unwrap();
    let seq = |spec| pick(&repository, &machine, spec).map(|picked| picked.manifest.seq);
    assert_eq!(seq(SnapshotSpec::Latest).unwrap(), Seq(3));
    assert_eq!(seq(SnapshotSpec::Seq(Seq(2))).unwrap(), Seq(2));
    assert!(matches!(seq(SnapshotSpec::Seq(Seq(9))), Err(HistoryError::NoSnapshot { .. })));
    let finished = |seq: i64| Timestamp::new(1_700_000_000 + 3600 * seq, 0);
    assert_eq!(seq(SnapshotSpec::At(finished(2))).unwrap(), Seq(2));
    assert!(matches!(seq(SnapshotSpec::At(finished(0))), Err(HistoryError::NoSnapshot { .. })));
    assert!(matches!(pick_machine(&repository, Some("zz")), Err(HistoryError::NoSuchMachine(_))));
}

#[test]
fn a_damaged_manifest_is_named_and_the_one_before_it_is_taken() {
    let mut repo = TestRepo::new();
    (0..3).for_each(|_| drop(repo.commit(&entries(&[""]))));
    repo.damage("snapshots/00000000000000000003");
    let repository = repo.open();
    let machine = pick_machine(&repository, None).unwrap();
    let picked = pick(&repository, &machine, SnapshotSpec::Latest).unwrap();
    assert_eq!((picked.manifest.seq, picked.unreadable[0].0), (Seq(2), Seq(3)));
    let error = pick(&repository, &machine, SnapshotSpec::Seq(Seq(3))).unwrap_err();
    assert_eq!(error.to_string(), "snapshot 3 cannot be read");
    let listed = snapshots(&repository, &[machine]).unwrap();
    assert_eq!(listed.iter().map(|s| s.manifest.is_ok()).collect::<Vec<_>>(), [true, true, false]);
}

#[test]
fn a_snapshot_that_came_with_an_old_key_after_a_recovery_is_told_and_the_older_ones_are_not() {
    let mut repo = TestRepo::new();
    (0..2).for_each(|_| drop(repo.commit(&entries(&[""]))));
    let (old, opened) = (repo.keys.clone(), repo.open());
    repo.keys = crate::repo::take_over(&opened, &repo.secret, &opened.machine(old.machine_id).unwrap()).unwrap();
    let told = |repo: &TestRepo, spec| {
        let repository = repo.open();
        let picked = pick(&repository, &pick_machine(&repository, None).unwrap(), spec).unwrap();
        assert_eq!(picked.is_sure(), picked.old_key.is_none());
        picked.old_key.map(|old| old.to_string())
    };
    assert_eq!(told(&repo, SnapshotSpec::Latest), None, "the new key has made nothing yet");
    repo.commit(&entries(&[""]));
    repo.keys = old;
    (0..2).for_each(|_| drop(repo.commit(&entries(&[""]))));
    for spec in [SnapshotSpec::Latest, SnapshotSpec::Seq(Seq(4))] {
        assert!(told(&repo, spec).unwrap().contains("(snapshot 3 has key 2)"));
    }
    for seq in 1..=3 {
        assert_eq!(told(&repo, SnapshotSpec::Seq(Seq(seq))), None);
    }
}

#[test]
fn a_directory_lists_its_names_and_recursively_all_below_it() {
    let mut repo = TestRepo::new();
    let manifest = repo.commit(&entries(&["", "a/", "a/b/", "a/b/c", "a/x", "a.y", "z"]));
    let contents = repo.open().contents().unwrap();
    let ls = |path: Option<&str>, recursive| {
        let mut out = vec![];
        list(&contents, &manifest, path.map(str::as_bytes), recursive, &mut |event| {
            out.push(shown(event));
            true
        })
        .unwrap();
        out
    };
    assert_eq!(ls(None, false), ["/home/u/a", "/home/u/a.y", "/home/u/z"]);
    assert_eq!(ls(Some("a"), false), ["/home/u/a/b", "/home/u/a/x"]);
    assert_eq!(ls(Some("/home/u/a"), true), ["/home/u/a/b", "/home/u/a/x", "/home/u/a/b/c"]);
    assert_eq!(ls(Some("z"), false), ["/home/u/z"]);
    assert_eq!(ls(None, true).len(), 6);
    let missing = list(&contents, &manifest, Some(b"nothing"), false, &mut |_| true);
    assert!(matches!(missing, Err(HistoryError::NotInSnapshot(_))));
}

#[test]
fn names_are_found_wherever_they_are() {
    let mut repo = TestRepo::new();
    let manifest = repo.commit(&entries(&["", "a/", "a/one.txt", "a/two.TXT", "one.c"]));
    let contents = repo.open().contents().unwrap();
    let mut found = vec![];
    find(&contents, &manifest, &Pattern::new("*.txt", true), &mut |event| {
        found.push(shown(event));
        true
    })
    .unwrap();
    assert_eq!(found, ["/home/u/a/one.txt", "/home/u/a/two.TXT"]);
}

#[test]
fn cat_gives_the_content_with_its_holes_and_refuses_what_is_no_file() {
    let mut repo = TestRepo::new();
    let mut all = entries(&["", "d/"]);
    let extents = vec![crate::model::Extent { offset: 2, len: 4 }];
    let content = repo.chunked(b"data", 3);
    all.insert(b"f".to_vec(), Entry { content: Some(content), extents: Some(extents), ..Entry::test_file(8) });
    let manifest = repo.commit(&all);
    let (repository, mut out) = (repo.open(), vec![]);
    let contents = repository.contents().unwrap();
    assert_eq!(cat(&contents, &manifest, b"f", &mut out).unwrap(), 8);
    assert_eq!(out, b"\0\0data\0\0");
    assert!(matches!(cat(&contents, &manifest, b"d", &mut out), Err(HistoryError::NotAFile(_))));
}

#[test]
fn two_snapshots_differ_in_what_changed_between_them_and_shared_nodes_are_not_read() {
    let mut repo = TestRepo::new();
    let names: Vec<String> = (0..3000).map(|n| format!("d{}/f{n:04}", n % 7)).collect();
    let mut all = entries(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let before = repo.commit(&all);
    all.remove(&b"d0/f0000"[..]);
    all.insert(b"d1/new".to_vec(), Entry::test_file(0));
    all.get_mut(&b"d2/f0002"[..]).unwrap().mode = 0o600;
    let content = repo.bundled(&[b"x"]).remove(0);
    all.insert(b"d3/f0003".to_vec(), Entry { content: Some(content), ..Entry::test_file(1) });
    let after = repo.commit(&all);
    let contents = repo.open().contents().unwrap();
    let mut found = vec![];
    diff(&contents, &before, &after, &mut |change| {
        found.push((change.kind, String::from_utf8(change.shown).unwrap()));
        true
    })
    .unwrap();
    let expected = [
        (ChangeKind::Removed, "/home/u/d0/f0000"),
        (ChangeKind::Added, "/home/u/d1/new"),
        (ChangeKind::Metadata, "/home/u/d2/f0002"),
        (ChangeKind::Content, "/home/u/d3/f0003"),
    ];
    assert_eq!(found, expected.map(|(kind, path)| (kind, path.to_owned())));
}

#[test]
fn a_path_has_a_version_for_each_snapshot_in_which_it_changed() {
    let mut repo = TestRepo::new();
    let (without, with) = (entries(&[""]), entries(&["", "x"]));
    let mut changed = with.clone();
    changed.get_mut(&b"x"[..]).unwrap().mode = 0o600;
    let all: Vec<_> = [&without, &with, &with, &changed, &without].map(|e| repo.commit(e)).into();
    let contents = repo.open().contents().unwrap();
    let versions = versions(&contents, &all, b"/home/u/x");
    let told: Vec<_> =
        versions.iter().map(|v| (v.seq.0, v.entry.as_ref().unwrap().as_ref().map(|e| e.entry.mode))).collect();
    assert_eq!(told, [(2, Some(0o644)), (4, Some(0o600)), (5, None)]);
}

#[test]
fn a_path_that_may_be_in_any_of_several_roots_is_an_error_and_not_absent() {
    let mut repo = TestRepo::new();
    let with = entries(&["", "x"]);
    let one = repo.commit(&with);
    let two = repo.commit_roots(&[("home", "/home/u", &with), ("etc", "/etc", &with)]);
    let contents = repo.open().contents().unwrap();
    let told = |path: &[u8]| -> Vec<_> {
        let versions = versions(&contents, [&one, &two], path);
        versions.iter().map(|v| (v.seq.0, v.entry.as_ref().map(Option::is_some).map_err(ToString::to_string))).collect()
    };
    let unclear = "cannot tell which path is meant".to_owned();
    assert_eq!(told(b"x"), [(1, Ok(true)), (2, Err(unclear))]);
    assert_eq!(told(b"/home/u/x"), [(1, Ok(true))]);
    assert_eq!(told(b"/etc/x"), [(2, Ok(true))]);
}
