//! Targets that cannot take what is to be stored: nothing is lost, and the backup goes on when they can.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::lab::{Lab, is_root, noise, skipped};

/// Unmounts what it mounted.
struct Mount(PathBuf);

impl Mount {
    /// `None`, with a word about it, where mounting is not possible.
    fn new(args: &[&str], at: &Path) -> Option<Self> {
        let mounted = is_root() && Command::new("mount").args(args).arg(at).status().is_ok_and(|s| s.success());
        if !mounted {
            skipped("mounting needs root and a kernel that lets us");
        }
        mounted.then(|| Self(at.to_path_buf()))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[test]
fn a_read_only_target_is_told_and_the_backup_goes_on_when_it_is_writable() {
    let lab = Lab::new();
    lab.init();
    lab.backup().expect(0);
    lab.write("later", &noise(100_000, 7));
    let repo = lab.path("repo");
    let Some(mount) = Mount::new(&["--bind", repo.to_str().unwrap()], &repo) else { return };
    assert!(Command::new("mount").args(["-o", "remount,ro,bind"]).arg(&repo).status().unwrap().success());
    lab.backup().expect(1).says(&["Read-only file system", "writable"]);
    lab.ctl(&["snapshots", "--recovery", "recovery.txt"]).expect(0);
    drop(mount);
    lab.backup().expect(0);
    lab.assert_restores();
}

#[test]
fn a_full_target_is_told_and_the_backup_goes_on_when_there_is_space() {
    let lab = Lab::new();
    let (image, repo) = (lab.path("image"), lab.path("repo"));
    fs::create_dir(&repo).unwrap();
    fs::File::create(&image).unwrap().set_len(64 << 20).unwrap();
    if !Command::new("mkfs.ext4").arg("-q").arg(&image).status().is_ok_and(|status| status.success()) {
        return skipped("mkfs.ext4 is not installed");
    }
    let Some(_mount) = Mount::new(&["-o", "loop", image.to_str().unwrap()], &repo) else { return };
    lab.init();
    lab.backup().expect(0);
    fs::write(repo.join("ballast"), vec![0; 32 << 20]).unwrap();
    lab.write("big", &noise(40 << 20, 3));
    lab.backup().expect(1).says(&["No space left on device", "Free or add space"]);
    lab.ctl(&["check", "--recovery", "recovery.txt"]).expect(0);
    assert_eq!(fs::read_dir(lab.path("state/spool")).unwrap().count(), 0, "nothing waits that may never have room");
    // what is smaller has room, though what did not fit is gone
    fs::rename(lab.root().join("big"), lab.path("big")).unwrap();
    lab.write("small", &noise(1 << 20, 4));
    lab.backup().expect(0);
    lab.assert_restores();
    fs::rename(lab.path("big"), lab.root().join("big")).unwrap();
    fs::remove_file(repo.join("ballast")).unwrap();
    lab.backup().expect(0);
    lab.assert_restores();
}

#[test]
fn a_state_directory_that_cannot_be_written_is_told() {
    let lab = Lab::new();
    lab.init();
    fs::write(lab.path("state"), "a file in its place").unwrap();
    lab.backup().expect(1).says(&["state", "writable"]);
}

#[test]
fn nothing_is_restored_into_the_repository() {
    let lab = Lab::new();
    lab.init();
    lab.write("a", b"x");
    lab.backup().expect(0);
    for to in ["repo", "repo/new/deep"] {
        lab.restore(to).expect(2).says(&["lies in the repository", "outside of it"]);
        lab.ctl(&["restore", "latest", "--recovery", "recovery.txt", "--to", to, "--dry-run"]).expect(2);
    }
    assert!(!lab.path("repo/new").exists());
}
