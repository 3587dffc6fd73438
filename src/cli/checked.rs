//! What a check found, as a person reads it: what was looked at, what is wrong, what that costs, and in the end one line
//! that says whether the files are safe.

use std::collections::BTreeSet;
use std::fmt::{self, Write};

use crate::check::{CheckReport, Damage, FindingCode};
use crate::model::Seq;
use crate::status::{bytes, counted};

/// What is forgotten is what that check finds itself: damage that only reading shows must be read again.
fn store_again(report: &CheckReport) -> String {
    let flags = if report.packs_read > 0 { "--read-data --store-again" } else { "--store-again" };
    format!(
        "`rozenctl check {flags}` on the machine that made these backups: its next backup stores again what it still has"
    )
}

const DISK: &str =
    "copy the disk of the target (ddrescue), or check its filesystem (fsck): what it cannot read may get more";

pub(super) fn told(report: &CheckReport) -> String {
    let mut text = String::new();
    write(&mut text, report).expect("a string takes everything");
    text
}

fn write(out: &mut String, report: &CheckReport) -> fmt::Result {
    let snapshots = counted(report.snapshots, "snapshot", "snapshots");
    let packs = counted(report.packs, "pack", "packs");
    let entries = counted(report.entries, "entry", "entries");
    writeln!(out, "checked: {snapshots}, {packs}, {entries} in their trees")?;
    if report.packs_read > 0 {
        let packs = counted(report.packs_read, "pack", "packs");
        writeln!(out, "read in full: {packs}, {}", bytes(report.bytes_read))?;
    }
    if report.packs_archived > 0 {
        let packs = counted(report.packs_archived, "pack", "packs");
        writeln!(out, "not read: {packs} in an archive class, and a check thaws nothing")?;
    }
    if report.packs_unlisted > 0 {
        let packs = counted(report.packs_unlisted, "pack", "packs");
        writeln!(
            out,
            "{packs} that no index object lists: read by their own directories (a backup leaves such until it ends)"
        )?;
    }
    if report.packs_unlisted_archived > 0 {
        let packs = counted(report.packs_unlisted_archived, "pack", "packs");
        writeln!(out, "{packs} that no index object lists, in an archive class: what is in them is not known")?;
    }
    for finding in &report.findings {
        writeln!(out, "{}: {}", finding.object, finding.message)?;
    }
    if !report.made_good.is_empty() {
        let packs: BTreeSet<&str> = report.made_good.iter().map(|finding| &finding.object[..]).collect();
        let count = counted(packs.len() as u64, "pack", "packs");
        writeln!(out, "{count} lost or damaged, and all of what was in them lies in other packs too: nothing to do")?;
        for finding in &report.made_good {
            writeln!(out, "  {}: {}", finding.object, finding.message)?;
        }
    }
    for damage in &report.damage {
        damaged(out, damage)?;
    }
    let further = report.damage_count.saturating_sub(report.damage.len() as u64);
    if further > 0 {
        writeln!(out, "and {}", counted(further, "more path", "more paths"))?;
    }
    writeln!(out, "{}", verdict(report))?;
    if report.findings.iter().any(|finding| finding.code == FindingCode::PackUnreadable) {
        writeln!(out, "remedy: {DISK}")?;
    }
    if report.can_be_stored_again() {
        writeln!(out, "remedy: {}", store_again(report))?;
    }
    Ok(())
}

fn damaged(out: &mut String, damage: &Damage) -> fmt::Result {
    write!(out, "cannot be restored: {:?}", damage.path)?;
    if damage.entries != 1 {
        write!(out, " and what follows, {}", counted(damage.entries, "entry", "entries"))?;
    }
    writeln!(out, ", in {}: {}", seqs(&damage.snapshots), damage.reason)
}

/// Nothing is said of data that was not read.
fn verdict(report: &CheckReport) -> String {
    match (report.damage_count, report.findings.is_empty()) {
        (_, false) if report.snapshots == 0 && report.packs > 0 => {
            "there is no snapshot: nothing can be restored".to_owned()
        }
        (0, true) if report.snapshots == 0 => "there is no snapshot yet: nothing to check".to_owned(),
        (0, true) if report.packs == 0 => "no damage found".to_owned(),
        (0, true) if report.packs_read + report.packs_archived == 0 => {
            "no damage found; the data itself was not read, `--read-data` reads it".to_owned()
        }
        (0, true) if report.packs_read < report.packs => {
            let packs = counted(report.packs, "pack", "packs");
            format!("no damage found; data was read of {} of {packs}, not of the others", report.packs_read)
        }
        (0, true) => "no damage found".to_owned(),
        (0, false) => "every file of the readable snapshots can be restored all the same".to_owned(),
        (count, _) => {
            format!("{} cannot be restored from some snapshot; everything else can", counted(count, "path", "paths"))
        }
    }
}

fn seqs(snapshots: &[Seq]) -> String {
    match snapshots {
        [] => "no snapshot".into(),
        [one] => format!("snapshot {one}"),
        [first, .., last] => format!("{} snapshots from {first} to {last}", snapshots.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Finding;
    use crate::model::MachineId;

    fn last(report: &CheckReport) -> String {
        told(report).lines().last().unwrap().to_owned()
    }

    #[test]
    fn the_last_line_says_whether_the_files_are_safe() {
        assert_eq!(last(&CheckReport::default()), "there is no snapshot yet: nothing to check");
        let clean = CheckReport { snapshots: 1, packs: 2, ..CheckReport::default() };
        assert_eq!(told(&clean).lines().next(), Some("checked: 1 snapshot, 2 packs, 0 entries in their trees"));
        assert!(last(&clean).starts_with("no damage found; the data itself was not read"));
        let read = CheckReport { packs_read: 2, bytes_read: 1536, ..clean };
        assert!(told(&read).contains("read in full: 2 packs, 1.5 KiB"));
        assert_eq!(last(&read), "no damage found");
        let a_part = CheckReport { packs: 3, ..read.clone() };
        assert_eq!(last(&a_part), "no damage found; data was read of 2 of 3 packs, not of the others");
        let archived = CheckReport { packs: 3, packs_read: 0, packs_archived: 1, ..read.clone() };
        assert_eq!(last(&archived), "no damage found; data was read of 0 of 3 packs, not of the others");
        let finding = Finding { code: FindingCode::Index, object: "i".into(), message: "cut short".into() };
        let found = CheckReport { findings: vec![finding], ..read };
        assert!(told(&found).contains("i: cut short"));
        assert_eq!(last(&found), "every file of the readable snapshots can be restored all the same");
    }

    #[test]
    fn what_can_be_made_good_is_told_with_how() {
        let finding = |code| Finding { code, object: "p".into(), message: "it is missing".into() };
        let with = |code| told(&CheckReport { snapshots: 1, findings: vec![finding(code)], ..CheckReport::default() });
        assert!(with(FindingCode::PackMissing).contains("`rozenctl check --store-again`"));
        let read =
            CheckReport { packs_read: 1, findings: vec![finding(FindingCode::PackChanged)], ..CheckReport::default() };
        assert!(told(&read).contains("`rozenctl check --read-data --store-again`"));
        assert!(!with(FindingCode::Gap).contains("--store-again"));
        assert!(
            with(FindingCode::PackUnreadable).contains("ddrescue")
                && !with(FindingCode::PackMissing).contains("ddrescue")
        );
    }

    #[test]
    fn what_is_lost_is_named_with_its_snapshots_and_what_is_not_listed_is_counted() {
        let damage = Damage {
            machine: MachineId([1; 16]),
            path: "/home/a".into(),
            path_b64: None,
            entries: 1,
            reason: "a pack is missing".into(),
            snapshots: vec![Seq(2), Seq(4)],
        };
        let report = CheckReport { damage_count: 3, damage: vec![damage], ..CheckReport::default() };
        let text = told(&report);
        assert!(text.contains(
            "cannot be restored: \"/home/a\", in 2 snapshots from 2 to 4: a pack is missing\nand 2 more paths"
        ));
        assert_eq!(last(&report), "3 paths cannot be restored from some snapshot; everything else can");
    }
}
