//! Parts of a report that buckets and directories share.

use std::fmt;

use super::table::Line;
use super::{Can, Conclusion, Sentence};
use crate::bucket::findings::{Finding, Weight};

pub(in crate::bucket) fn block(f: &mut fmt::Formatter<'_>, title: &str, lines: Vec<Line>) -> fmt::Result {
    writeln!(f, "\n{title}")?;
    lines.iter().try_for_each(|(what, how)| writeln!(f, "  {what:<32}{how}"))
}

pub(in crate::bucket) fn findings(f: &mut fmt::Formatter<'_>, findings: &[Finding]) -> fmt::Result {
    if findings.is_empty() {
        return Ok(());
    }
    writeln!(f, "\nFindings")?;
    for (i, finding) in findings.iter().enumerate() {
        writeln!(f, "  {:<9}{}", weight(finding.weight), finding.what)?;
        // one remedy for several is said once, below the last of them
        if findings.get(i + 1).is_none_or(|next| next.remedy != finding.remedy) {
            writeln!(f, "  {:<9}> {}", "", finding.remedy)?;
        }
    }
    Ok(())
}

fn weight(weight: Weight) -> &'static str {
    match weight {
        Weight::Note => "note",
        Weight::Weak => "weak",
        Weight::Unclear => "UNCLEAR",
        Weight::Danger => "DANGER",
    }
}

pub(in crate::bucket) fn thief(f: &mut fmt::Formatter<'_>, sentences: &[Sentence]) -> fmt::Result {
    writeln!(f, "\nWhat a thief with this machine's credentials could do")?;
    sentences.iter().try_for_each(|sentence| {
        let mark = match sentence.can {
            Can::Yes => '!',
            Can::No => '-',
            Can::Unknown => '?',
        };
        writeln!(f, "  {mark} {}", sentence.text)
    })
}

pub(in crate::bucket) fn conclusion(conclusion: Conclusion, findings: &[Finding]) -> &'static str {
    match conclusion {
        Conclusion::Right => "The target is right.",
        Conclusion::Findings => "No danger was found; what is marked \"weak\" could be better.",
        Conclusion::Danger if findings.iter().any(|finding| finding.weight == Weight::Danger) => {
            "The target is NOT safe: mend what is marked DANGER, then check again."
        }
        Conclusion::Danger => "Whether the target is safe could NOT be told: see what is marked UNCLEAR.",
    }
}

/// With one digit behind the point.
pub(in crate::bucket) fn gib(bytes: u64) -> String {
    let tenths = (u128::from(bytes) * 10) >> 30;
    format!("{}.{} GiB", tenths / 10, tenths % 10)
}
