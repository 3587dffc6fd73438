//! A second opinion: rsync compares content and all the metadata that it knows.

use std::path::Path;
use std::process::Command;

/// Nothing is to be done to make `restored` equal `source`; `exclude` in rsync's patterns.
pub fn assert_nothing_to_do(source: &Path, restored: &Path, exclude: &[String]) {
    let mut rsync = Command::new("rsync");
    rsync.args(["-aHAXn", "--itemize-changes", "--checksum", "--delete"]);
    rsync.args(exclude.iter().map(|pattern| format!("--exclude={pattern}")));
    let out = rsync.arg(with_slash(source)).arg(with_slash(restored)).output().unwrap();
    let (said, errors) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success() && said.is_empty() && errors.is_empty(), "rsync: {}\n{said}\n{errors}", out.status);
}

/// The content of the directory, not the directory.
fn with_slash(dir: &Path) -> std::ffi::OsString {
    let mut text = dir.as_os_str().to_owned();
    text.push("/");
    text
}
