//! Scans of a folder in which another filesystem comes and goes.

use std::cell::Cell;
use std::fs;
use std::os::unix::fs::MetadataExt;

use super::Target;
use super::tests::{Lab, targets};
use crate::model::ProblemCode;
use crate::source::testing::Mounted;

fn files(lab: &Lab) -> Vec<String> {
    lab.paths().into_iter().filter(|path| path.starts_with("disk/")).collect()
}

fn told(lab: &Lab) -> Vec<(ProblemCode, &str)> {
    lab.problems.iter().map(|problem| (problem.code, &problem.path[..])).collect()
}

#[test]
fn what_is_mounted_while_it_runs_stays_out_where_the_root_is_one_filesystem() {
    for only_one in [true, false] {
        let mut lab = Lab::new();
        lab.excludes.one_filesystem = only_one;
        fs::create_dir(lab.at("disk")).unwrap();
        lab.scan(Target::everything(), |_, _| {});
        let Some(_mounted) = Mounted::tmpfs(&lab.at("disk")) else { return };
        fs::create_dir(lab.at("disk/dir")).unwrap();
        fs::write(lab.at("disk/dir/foreign"), "x").unwrap();
        for dir in ["disk", "disk/dir"] {
            lab.scan(vec![Target { recursive: true, ..targets(&[dir])[0].clone() }], |_, _| {});
            assert_eq!(files(&lab).is_empty(), only_one, "{dir}");
        }
    }
}

#[test]
fn what_was_on_a_filesystem_that_is_not_mounted_now_was_not_deleted() {
    let mut lab = Lab::new();
    fs::create_dir(lab.at("disk")).unwrap();
    let Some(mounted) = Mounted::tmpfs(&lab.at("disk")) else { return };
    fs::create_dir(lab.at("disk/dir")).unwrap();
    fs::write(lab.at("disk/dir/f"), "x").unwrap();
    lab.scan(Target::everything(), |_, _| {});
    let stored = files(&lab);
    drop(mounted);
    for from in [Target::everything(), targets(&[""]), targets(&["disk"]), targets(&["disk/dir"])] {
        lab.scan(from, |_, _| {});
        assert_eq!(files(&lab), stored);
        assert_eq!(told(&lab), [(ProblemCode::NotCovered, "disk")]);
    }
    // somebody says that it is meant to be that way
    fs::write(lab.at("disk/note"), "moved to the attic").unwrap();
    lab.scan(targets(&["disk"]), |_, _| {});
    assert_eq!((files(&lab), lab.problems.len()), (vec!["disk/note".to_owned()], 0));
}

#[test]
fn a_mount_point_that_is_gone_is_gone_with_what_was_on_it() {
    let mut lab = Lab::new();
    fs::create_dir(lab.at("disk")).unwrap();
    let Some(mounted) = Mounted::tmpfs(&lab.at("disk")) else { return };
    fs::write(lab.at("disk/f"), "x").unwrap();
    lab.scan(Target::everything(), |_, _| {});
    drop(mounted);
    fs::remove_dir(lab.at("disk")).unwrap();
    lab.scan(targets(&[""]), |_, _| {});
    assert!(!lab.paths().iter().any(|path| path.starts_with("disk")) && lab.problems.is_empty());
}

#[test]
fn what_is_mounted_or_unmounted_between_two_looks_at_it_stays_as_it_was_and_is_told() {
    let mut lab = Lab::new();
    fs::create_dir_all(lab.at("disk/under")).unwrap();
    let Some(mounted) = Mounted::tmpfs(&lab.at("disk")) else { return };
    fs::create_dir(lab.at("disk/dir")).unwrap();
    fs::write(lab.at("disk/dir/f"), "x").unwrap();
    lab.scan(Target::everything(), |_, _| {});
    let stored = files(&lab);
    let (mounted, again) = (Cell::new(Some(mounted)), Cell::new(None));
    lab.scan(Target::everything(), |_, step| {
        if step == 0 {
            drop(mounted.take())
        }
    });
    assert_eq!((files(&lab), told(&lab)), (stored.clone(), vec![(ProblemCode::NotCovered, "disk")]));
    fs::remove_dir(lab.at("disk/under")).unwrap();
    lab.scan(Target::everything(), |_, _| {});
    assert_eq!((files(&lab), told(&lab)), (stored, vec![(ProblemCode::NotCovered, "disk")]));
    // somebody says that it is meant to be that way; then it comes back
    fs::write(lab.at("disk/note"), "moved to the attic").unwrap();
    lab.scan(Target::everything(), |_, _| {});
    assert_eq!((files(&lab), lab.problems.len()), (vec!["disk/note".to_owned()], 0));
    lab.scan(Target::everything(), |lab, step| {
        if step == 0 {
            again.set(Mounted::tmpfs(&lab.at("disk")))
        }
    });
    assert!(files(&lab).is_empty() && lab.problems.is_empty(), "as if it had been there at the first look");
    drop(again.take());
    lab.excludes.one_filesystem = true;
    for _ in 0..2 {
        fs::write(lab.at("disk/note"), "x").unwrap();
        lab.scan(Target::everything(), |_, _| {});
        assert_eq!((files(&lab), lab.problems.len()), (vec!["disk/note".to_owned()], 0));
        lab.scan(Target::everything(), |lab, step| {
            if step == 0 {
                again.set(Mounted::tmpfs(&lab.at("disk")))
            }
        });
        assert_eq!((files(&lab), told(&lab)), (vec!["disk/note".to_owned()], vec![(ProblemCode::NotCovered, "disk")]));
        drop(again.take());
    }
}

#[test]
fn a_filesystem_that_went_before_it_was_first_listed_is_missed_as_well() {
    let mut lab = Lab::new();
    fs::create_dir(lab.at("disk")).unwrap();
    let Some(mounted) = Mounted::tmpfs(&lab.at("disk")) else { return };
    fs::write(lab.at("disk/f"), "x").unwrap();
    let mounted = Cell::new(Some(mounted));
    lab.scan(Target::everything(), |_, step| {
        if step == 0 {
            drop(mounted.take())
        }
    });
    for _ in 0..2 {
        assert_eq!((lab.is_unread("disk"), told(&lab)), (true, vec![(ProblemCode::NotCovered, "disk")]));
        lab.scan(Target::everything(), |_, _| {});
    }
}

/// tmpfs gives the number of a stub to what is made in it first.
#[test]
fn what_is_stored_of_a_nested_subvolume_that_was_not_frozen_stays_and_is_told() {
    for is_known in [true, false] {
        let mut lab = Lab::new();
        fs::create_dir(lab.at("disk")).unwrap();
        let Some(_mounted) = Mounted::tmpfs(&lab.at("disk")) else { return };
        fs::create_dir(lab.at("disk/stub")).unwrap();
        if fs::metadata(lab.at("disk/stub")).unwrap().ino() != 2 {
            return eprintln!("skipped: the first inode of this tmpfs is another");
        }
        fs::write(lab.at("disk/stub/f"), "x").unwrap();
        if is_known {
            lab.scan(Target::everything(), |_, _| {});
            fs::remove_file(lab.at("disk/stub/f")).unwrap();
        }
        lab.is_frozen = true;
        for _ in 0..2 {
            lab.scan(Target::everything(), |_, _| {});
            assert_eq!((lab.is_unread("disk/stub"), told(&lab)), (true, vec![(ProblemCode::NotCovered, "disk/stub")]));
            assert_eq!(lab.paths().contains("disk/stub/f"), is_known);
        }
        lab.is_frozen = false;
        lab.scan(targets(&["disk"]), |_, _| {});
        assert_eq!((lab.paths().contains("disk/stub/f"), lab.is_unread("disk/stub")), (!is_known, false));
    }
}
