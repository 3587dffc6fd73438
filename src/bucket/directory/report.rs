//! The report of a directory, for people and as JSON.

use std::fmt;

use serde::Serialize;

use super::DirectoryFacts;
use crate::bucket::findings::{Finding, Weight};
use crate::bucket::report::{self, Can, Conclusion, Sentence};

#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct DirectoryReport {
    /// The target, for people.
    pub target: String,
    pub conclusion: Conclusion,
    pub facts: DirectoryFacts,
    pub findings: Vec<Finding>,
    /// What a thief with the rights of this user could do.
    pub thief: Vec<Sentence>,
}

const APPEND_ONLY: &str = "Back up to a bucket as well, or take the disk away between backups. (`chattr +a` does not help: the \
                           store needs to rename within the directory.)";

impl DirectoryReport {
    pub fn new(target: impl Into<String>, facts: DirectoryFacts) -> Self {
        let mut findings = judge(&facts);
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.weight));
        let thief = thief(&facts);
        Self { target: target.into(), conclusion: Conclusion::of(&findings), facts, findings, thief }
    }
}

fn judge(facts: &DirectoryFacts) -> Vec<Finding> {
    let mut findings = Vec::new();
    let sticky = facts.mode & 0o1000 != 0;
    if facts.mode & 0o002 != 0 && !sticky {
        let what = "every user of this machine can delete and replace objects in it";
        findings.push(Finding::new("others_can_delete", Weight::Danger, what, "Take the right away: chmod o-w."));
    } else if facts.mode & 0o022 != 0 {
        let what = "other users than its owner can put files into it";
        findings.push(Finding::new("others_can_write", Weight::Weak, what, "Take the right away: chmod go-w."));
    }
    if facts.owner != facts.user && facts.owner != 0 && facts.user != 0 {
        let what = format!("it belongs to user {}, who can delete everything in it", facts.owner);
        findings.push(Finding::new(
            "owned_by_another",
            Weight::Weak,
            what,
            "Give it to the user that backs up: chown.",
        ));
    }
    if !facts.read_only {
        let what = "whoever has the rights of this user can delete every backup: a directory cannot forbid that";
        findings.push(Finding::new("can_delete", Weight::Weak, what, APPEND_ONLY));
    }
    findings.extend(disk(facts));
    findings
}

fn disk(facts: &DirectoryFacts) -> Vec<Finding> {
    let mut findings = Vec::new();
    if facts.read_only {
        let what = "it is on a filesystem that is mounted read-only: nothing can be stored";
        findings.push(Finding::new(
            "read_only",
            Weight::Unclear,
            what,
            "Mount it writable, if backups are to go there.",
        ));
    }
    if !facts.shares_device_with.is_empty() {
        let roots: Vec<String> = facts.shares_device_with.iter().map(|path| path.display().to_string()).collect();
        let what = format!("it is on the same disk as what it protects: {}", roots.join(", "));
        findings.push(Finding::new(
            "same_disk",
            Weight::Weak,
            what,
            "Choose a directory on another disk: when this one is lost, both are.",
        ));
    }
    if facts.free_bytes < facts.total_bytes / 20 {
        let what = format!("less than a twentieth of its filesystem is free: {}", report::gib(facts.free_bytes));
        findings.push(Finding::new("nearly_full", Weight::Weak, what, "Make room, or choose a larger disk."));
    }
    findings
}

fn thief(facts: &DirectoryFacts) -> Vec<Sentence> {
    let read = "Read backups: no. They are encrypted with a key that is not on this machine.";
    let delete = match facts.read_only {
        true => Sentence { can: Can::No, text: "Delete backups: not as this user; the filesystem is mounted read-only.".to_owned() },
        false => Sentence {
            can: Can::Yes,
            text: "Delete or replace backups: yes, all of them, at once. A restore notices what was replaced, but cannot help it."
                .to_owned(),
        },
    };
    vec![Sentence { can: Can::No, text: read.to_owned() }, delete]
}

impl fmt::Display for DirectoryReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let facts = &self.facts;
        let lines = vec![
            ("owner and group", format!("{}:{}", facts.owner, facts.group)),
            ("mode", format!("{:04o}", facts.mode)),
            ("this user", facts.user.to_string()),
            ("append-only by attribute", if facts.append_only { "yes" } else { "no" }.to_owned()),
            ("filesystem", format!("{}{}", facts.filesystem, if facts.read_only { ", mounted read-only" } else { "" })),
            ("free", format!("{} of {}", report::gib(facts.free_bytes), report::gib(facts.total_bytes))),
        ];
        writeln!(f, "target {}", self.target)?;
        report::block(f, "The directory", lines)?;
        report::findings(f, &self.findings)?;
        report::thief(f, &self.thief)?;
        writeln!(f, "\n{}", report::conclusion(self.conclusion, &self.findings))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> DirectoryFacts {
        DirectoryFacts {
            path: "/mnt/backup".into(),
            owner: 1000,
            group: 1000,
            mode: 0o700,
            user: 1000,
            append_only: false,
            read_only: false,
            filesystem: "ext4".into(),
            free_bytes: 50 << 30,
            total_bytes: 100 << 30,
            shares_device_with: vec![],
        }
    }

    fn codes(facts: DirectoryFacts) -> Vec<&'static str> {
        DirectoryReport::new("file:///mnt/backup", facts).findings.iter().map(|finding| finding.code).collect()
    }

    #[test]
    fn a_directory_of_ones_own_can_be_emptied_and_that_is_told() {
        let report = DirectoryReport::new("file:///mnt/backup", facts());
        assert_eq!(report.conclusion, Conclusion::Findings);
        let text = report.to_string();
        assert!(text.contains("  mode                            0700"), "{text}");
        assert!(text.contains("50.0 GiB of 100.0 GiB"), "{text}");
        assert!(text.contains("! Delete or replace backups: yes"), "{text}");
    }

    #[test]
    fn a_directory_that_anybody_can_empty_is_dangerous() {
        let open = DirectoryFacts { mode: 0o777, ..facts() };
        assert_eq!(DirectoryReport::new("x", open.clone()).conclusion, Conclusion::Danger);
        assert_eq!(codes(open)[0], "others_can_delete");
        assert_eq!(codes(DirectoryFacts { mode: 0o1777, ..facts() })[0], "others_can_write");
        assert_eq!(codes(DirectoryFacts { mode: 0o770, ..facts() })[0], "others_can_write");
    }

    #[test]
    fn the_disk_is_looked_at_too() {
        let shared = DirectoryFacts { shares_device_with: vec!["/home/ann".into()], free_bytes: 1 << 30, ..facts() };
        assert_eq!(codes(shared), ["can_delete", "same_disk", "nearly_full"]);
        assert_eq!(codes(DirectoryFacts { owner: 7, ..facts() }), ["owned_by_another", "can_delete"]);
        let read_only = DirectoryReport::new("x", DirectoryFacts { read_only: true, ..facts() });
        assert_eq!((read_only.findings[0].code, read_only.conclusion), ("read_only", Conclusion::Danger));
    }
}
