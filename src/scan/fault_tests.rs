//! Scans in which a call fails once, or something changes in the middle of a step.

use std::cell::Cell;
use std::fs;

use rustix::io::Errno;

use super::tests::{Lab, targets};
use super::{Found, Target};
use crate::model::{EntryFlags, ProblemCode};
use crate::source::testing::{Mounted, calls, inject};

fn codes(lab: &Lab) -> Vec<(ProblemCode, &str)> {
    lab.problems.iter().map(|problem| (problem.code, &problem.path[..])).collect()
}

#[test]
fn an_empty_file_that_gets_content_between_two_looks_is_read() {
    let mut lab = Lab::new();
    fs::create_dir_all(lab.at("x/z/deep")).unwrap();
    lab.scan(Target::everything(), |_, _| {});
    fs::remove_dir_all(lab.at("x/z")).unwrap();
    fs::write(lab.at("x/z"), "").unwrap();
    let read = Cell::new(0);
    let see = |lab: &Lab, found: &Found| match found {
        // said between the look at the name and the reading of its entry
        Found::DeleteBelow(_) => fs::write(lab.at("x/z"), "important data\n").unwrap(),
        Found::Read(job) if job.name == b"z" => read.set(job.stat.size),
        _ => {}
    };
    lab.scan_and_see(targets(&["x"]), |_, _| {}, see);
    assert_eq!((read.get(), lab.size("x/z"), lab.flags("x/z").0), (15, 15, 0));
}

#[test]
fn a_file_of_which_an_earlier_version_stored_no_content_is_read() {
    let mut lab = Lab::new();
    lab.lose_content("x/f");
    let read = Cell::new(0);
    for _ in 0..2 {
        let see = |_: &Lab, found: &Found| read.set(read.get() + u32::from(matches!(found, Found::Read(_))));
        lab.scan_and_see(Target::everything(), |_, _| {}, see);
    }
    assert_eq!(read.get(), 1);
}

#[test]
fn a_name_in_the_root_itself_of_which_nothing_can_be_known_is_told_by_the_entry_of_the_root() {
    let mut lab = Lab::new();
    fs::write(lab.at("new"), "x").unwrap();
    for _ in 0..2 {
        inject("stat", "new", Errno::IO);
        lab.scan(Target::everything(), |_, _| {});
        assert_eq!((lab.is_unread(""), codes(&lab)), (true, vec![(ProblemCode::Unreadable, "new")]));
    }
    lab.scan(Target::everything(), |_, _| {});
    assert!(!lab.is_unread("") && lab.paths().contains("new") && lab.problems.is_empty());
}

#[test]
fn a_hint_is_not_used_up_when_a_directory_above_it_cannot_be_listed_once() {
    for from in [&["x/a/b/c"][..], &["x", "x/a/b/c"]] {
        let mut lab = Lab::new();
        fs::create_dir_all(lab.at("x/a/b/c")).unwrap();
        fs::write(lab.at("x/a/b/c/f"), "f").unwrap();
        lab.scan(Target::everything(), |_, _| {});
        fs::write(lab.at("x/a/b/c/f"), "longer").unwrap();
        let between = |_: &Lab, step| {
            if from.len() == 2 && step == 0 {
                inject("list", "x", Errno::IO);
            }
        };
        if from.len() == 1 {
            inject("list", "x", Errno::IO);
        }
        lab.scan(targets(from), between);
        let is_told = lab.is_unread("x") && codes(&lab) == [(ProblemCode::Unreadable, "x")];
        assert!(lab.size("x/a/b/c/f") == 6 || is_told, "{from:?}");
        lab.scan(targets(&["x"]), |_, _| {});
        assert_eq!((lab.size("x/a/b/c/f"), lab.is_unread("x")), (6, false), "{from:?}");
    }
}

#[test]
fn attributes_that_could_not_be_read_once_are_read_by_the_next_scan() {
    for name in ["link", "dir", "empty"] {
        let mut lab = Lab::new();
        match name {
            "link" => std::os::unix::fs::symlink("target", lab.at("link")).unwrap(),
            "dir" => fs::create_dir(lab.at("dir")).unwrap(),
            _ => fs::write(lab.at(name), "").unwrap(),
        }
        inject("xattr", name, Errno::IO);
        lab.scan(Target::everything(), |_, _| {});
        assert_eq!((codes(&lab), lab.flags(name).has(EntryFlags::RACY)), (vec![(ProblemCode::Metadata, name)], true));
        lab.scan(Target::everything(), |_, _| {});
        assert_eq!((codes(&lab), lab.flags(name).0), (vec![], 0), "{name}");
    }
}

#[test]
fn a_name_that_is_listed_and_not_found_is_told_and_kept_and_one_that_is_gone_is_not() {
    let mut lab = Lab::new();
    fs::write(lab.at("x/new"), "n").unwrap();
    for _ in 0..2 {
        ["x/f", "x/new"].iter().for_each(|name| inject("stat", name, Errno::NOENT));
    }
    lab.scan(Target::everything(), |_, _| {});
    assert_eq!(codes(&lab), [(ProblemCode::Unreadable, "x/f"), (ProblemCode::Unreadable, "x/new")]);
    assert!(lab.paths().contains("x/f") && lab.is_unread("x"), "the new one is told by its folder");
    // there again when it was looked for once more
    inject("stat", "x/f", Errno::NOENT);
    lab.scan(Target::everything(), |_, _| {});
    assert!(lab.paths().contains("x/new") && lab.paths().contains("x/f") && lab.problems.is_empty());
    inject("stat", "x/f", Errno::NOENT);
    let see = |lab: &Lab, found: &Found| {
        if matches!(found, Found::Unchanged { .. }) {
            let _ = fs::remove_file(lab.at("x/f"));
        }
    };
    lab.scan_and_see(targets(&["x"]), |_, _| {}, see);
    assert!(!lab.paths().contains("x/f") && lab.problems.is_empty());
}

#[test]
fn what_changes_through_an_excluded_name_is_found_under_the_others() {
    let mut lab = Lab::new();
    fs::hard_link(lab.at("x/f"), lab.at("y/f.tmp")).unwrap();
    fs::write(lab.at("y/.rozenignore"), "*.tmp\n").unwrap();
    lab.scan(Target::everything(), |_, _| {});
    fs::write(lab.at("y/f.tmp"), "longer than before").unwrap();
    lab.scan(targets(&["y"]), |_, _| {});
    assert_eq!(lab.size("x/f"), 18);
}

#[test]
fn a_directory_above_many_hinted_ones_is_listed_once() {
    let mut lab = Lab::new();
    let dirs: Vec<String> = (0..50).map(|n| format!("x/{n:02}")).collect();
    dirs.iter().for_each(|dir| fs::create_dir(lab.at(dir)).unwrap());
    fs::write(lab.at("x/.rozenignore"), "07\n").unwrap();
    lab.scan(Target::everything(), |_, _| {});
    dirs.iter().for_each(|dir| fs::write(lab.at(dir).join("f"), "f").unwrap());
    let before = calls("list");
    lab.scan(targets(&dirs.iter().map(String::as_str).collect::<Vec<_>>()), |_, _| {});
    assert_eq!(calls("list") - before, 3 + 49, "the root, x, x once more for what it leaves out, and each other");
    assert_eq!(lab.paths().iter().filter(|path| path.ends_with("/f")).count(), 50, "with x/f");
}

#[test]
fn what_is_done_on_a_filesystem_that_is_left_out_is_no_change() {
    let mut lab = Lab::new();
    lab.excludes.one_filesystem = true;
    fs::create_dir(lab.at("disk")).unwrap();
    let Some(_mounted) = Mounted::tmpfs(&lab.at("disk")) else { return };
    lab.scan(Target::everything(), |_, _| {});
    fs::write(lab.at("disk/f"), "x").unwrap();
    let changed = Cell::new(false);
    lab.scan_and_see(
        targets(&[""]),
        |_, _| {},
        |_, found| {
            if let Found::Put { key, .. } = found {
                changed.set(changed.get() || key.name == b"disk");
            }
        },
    );
    assert!(!changed.get() && lab.flags("disk").has(EntryFlags::NOT_COVERED));
}
