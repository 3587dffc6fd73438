//! Scans of a folder in which another filesystem comes and goes.

use std::fs;

use super::Target;
use super::tests::{Lab, targets};
use crate::model::ProblemCode;
use crate::source::testing::Mounted;

fn files(lab: &Lab) -> Vec<String> {
    lab.paths().into_iter().filter(|path| path.starts_with("disk/")).collect()
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
        let told: Vec<_> = lab.problems.iter().map(|problem| (problem.code, &problem.path[..])).collect();
        assert_eq!(told, [(ProblemCode::NotCovered, "disk")]);
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
