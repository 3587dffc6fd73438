//! `rozenctl backup --dry-run`: what a backup would read, could send at most, and what that would cost.

use serde_json::{Value, json};

use super::context::Context;
use super::error::CliError;
use super::exit::Exit;
use super::{reading, running, show};
use crate::backup::{BackupOptions, PackGroup, Preview, RootPreview, preview};
use crate::config::Config;
use crate::cost::{Billed, OutlookPacks, PriceFiles, PriceTable, RunBill, RunCost, outlook, prices_for, run_cost};
use crate::crypto::MachineKeys;
use crate::journal::Journal;
use crate::model::{Problem, RootId, StorageClass};
use crate::status::{KindOfUse, RunUsage, bytes, counted, grouped};
use crate::store::{Store, StoreUrl};

/// A name, its attributes and where its content is take less in a tree; and so much of it for each MiB of content.
const ENTRY_BYTES: u64 = 1 << 10;
/// One change makes the nodes above it anew: its leaf, and a little of those that lead there.
const CHANGE_BYTES: u64 = 64 << 10;
const MIB_BYTES: u64 = 128;

/// The target is not asked. Nothing is written, but that the journal of an older program is brought up to date.
pub(super) fn run(accepted: &[RootId], context: &Context) -> Result<Exit, CliError> {
    let (config, places) = (context.config()?, context.places()?);
    let keys = reading::warned(MachineKeys::load(&config.machine_key).map_err(CliError::MachineKey)?, context);
    // a machine that was never backed up has none, and gets none
    let has_journal = places.state.join("journal.db").exists();
    let journal = has_journal.then(|| Journal::open(&places.state)).transpose()?;
    let checked = running::look_at_roots(journal.as_ref(), &keys, &config, accepted)?;
    let request = running::request(&config, &places, &checked)?;
    let options = BackupOptions { merge: config.archive.merge, ..BackupOptions::default() };
    let now_ms = context.clock.wall_ms();
    let mut found = preview(journal.as_ref(), &request, &options, now_ms, &context.stop)?;
    found.roots.extend(checked.doubtful.into_iter().map(|(id, problem)| unread(id, problem)));
    let bound = Bound::new(&found, &config, context)?;
    found.roots.iter().try_for_each(|root| context.output.line(line_of(root)))?;
    bound.lines(&found).iter().try_for_each(|line| context.output.line(line))?;
    let problems: Vec<Problem> = found.roots.iter().flat_map(|root| root.problems.iter().cloned()).collect();
    show::problems(&context.output, &problems);
    context.output.json(|| json_of(&found, &bound))?;
    Ok(Exit::done(!problems.is_empty()))
}

fn unread(id: String, problem: Problem) -> RootPreview {
    RootPreview { id, problems: vec![problem], ..RootPreview::default() }
}

fn line_of(root: &RootPreview) -> String {
    let files = counted(root.files, "file", "files");
    let (read, others) = (bytes(root.bytes), counted(root.others, "other entry", "other entries"));
    let (unchanged, gone) = (grouped(root.unchanged), grouped(root.gone));
    format!("{}: {files} to read ({read}), {others}, {unchanged} unchanged, {gone} gone", root.id)
}

/// What is sent and paid at most.
struct Bound {
    packs: Vec<OutlookPacks>,
    /// Where somebody sends a bill.
    cost: Option<RunCost>,
    /// By class: its name, packs, bytes and, where the prices are known, once and each month.
    classes: Vec<(StorageClass, u64, u64, Option<RunBill>)>,
}

impl Bound {
    fn new(found: &Preview, config: &Config, context: &Context) -> Result<Self, CliError> {
        let url = StoreUrl::parse(&config.repository)?;
        let (places, billed, now) = (context.places()?, Billed::of(&url), context.clock.wall());
        let files = PriceFiles::usual(&places.config, &places.state);
        let packs = packs_of(found);
        // without a bill it does not matter how objects are cut
        let rules = if billed == Billed::Nobody { None } else { Store::open(&url)?.part_rules() };
        let usage = |packs: &[OutlookPacks]| outlook(now, packs, rules);
        let table = prices_for(&billed, &files)?.ok();
        let mut names: Vec<StorageClass> = packs.iter().map(|group| group.class).collect();
        names.sort_unstable();
        names.dedup();
        let classes = names.into_iter().map(|class| {
            let of: Vec<_> = packs.iter().copied().filter(|group| group.class == class).collect();
            let bill = table.as_ref().map(|table| bill(table, &usage(&of))).transpose()?;
            Ok((class, of.iter().map(|group| group.packs).sum(), of.iter().map(|group| group.bytes).sum(), bill))
        });
        let classes = classes.collect::<Result<_, CliError>>()?;
        let cost = run_cost(&usage(&packs), &billed, &files, now)?.filter(|_| !packs.is_empty());
        Ok(Self { packs, cost, classes })
    }

    fn bytes(&self) -> u64 {
        self.packs.iter().map(|group| group.bytes).sum()
    }

    fn lines(&self, found: &Preview) -> Vec<String> {
        let mut lines = Vec::new();
        if !found.waiting.is_empty() {
            let (packs, size) = (counted(found.waiting.len() as u64, "pack", "packs"), bytes(sum(&found.waiting)));
            lines.push(format!("waiting from an earlier run: {packs} ({size})"));
        }
        for merge in &found.merges {
            lines.push(format!("small packs become one in {}: {}", merge.class.as_str(), bytes(merge.bytes)));
        }
        if self.packs.is_empty() {
            lines.push("nothing would be sent".to_owned());
            return lines;
        }
        lines.push(format!(
            "sent at most: {}; what is stored already, and what compresses, is not",
            bytes(self.bytes())
        ));
        for (class, packs, size, _) in &self.classes {
            lines.push(format!("  {:<13}{:>16}{:>11}", class.as_str(), counted(*packs, "pack", "packs"), bytes(*size)));
        }
        lines.extend(self.cost.iter().map(|cost| format!("cost at most: {}", cost.text)));
        lines
    }
}

fn bill(table: &PriceTable, usage: &RunUsage) -> Result<RunBill, CliError> {
    Ok(RunBill::new(table, usage)?)
}

/// Content, what waits, what is merged, and the trees that name them.
fn packs_of(found: &Preview) -> Vec<OutlookPacks> {
    let content = |group: &PackGroup| {
        let PackGroup { class, packs, bytes } = *group;
        OutlookPacks { class, kind: KindOfUse::Content, packs, bytes }
    };
    let mut packs: Vec<OutlookPacks> =
        found.packs.iter().chain(&found.waiting).chain(&found.merges).map(content).collect();
    let changed: u64 = found.roots.iter().map(|root| root.files + root.others + root.gone).sum();
    let unchanged: u64 = found.roots.iter().map(|root| root.unchanged).sum();
    let read: u64 = found.roots.iter().map(|root| root.bytes).sum();
    if changed > 0 {
        let nodes = (changed * CHANGE_BYTES).min((changed + unchanged) * ENTRY_BYTES);
        let bytes = (nodes + (read >> 20) * MIB_BYTES).next_multiple_of(256 << 10);
        packs.push(OutlookPacks { class: StorageClass::Standard, kind: KindOfUse::Metadata, packs: 1, bytes });
    }
    packs
}

fn sum(groups: &[PackGroup]) -> u64 {
    groups.iter().map(|group| group.bytes).sum()
}

fn json_of(found: &Preview, bound: &Bound) -> Value {
    let exact = bound.cost.as_ref().and_then(|cost| cost.exact.as_ref());
    json!({
        "dry_run": true,
        "roots": found.roots.iter().map(|root| json!({
            "id": root.id, "files": root.files, "bytes": root.bytes, "other_entries": root.others,
            "unchanged": root.unchanged, "gone": root.gone, "problems": root.problems,
        })).collect::<Vec<_>>(),
        "waiting_packs": found.waiting.len(), "waiting_bytes": sum(&found.waiting),
        "merged_bytes": sum(&found.merges),
        "at_most": {
            "bytes": bound.bytes(),
            "classes": bound.classes.iter().map(|(class, packs, bytes, bill)| json!({
                "class": class, "packs": packs, "bytes": bytes,
                "cost": bill.as_ref().map(|bill| bill.cost.to_string()),
                "month": bill.as_ref().map(|bill| bill.monthly.to_string()),
            })).collect::<Vec<_>>(),
            "cost": exact.map(|(bill, _)| bill.cost.to_string()),
            "month": exact.map(|(bill, _)| bill.monthly.to_string()),
            "currency": exact.map(|(_, currency)| currency.as_str()),
        },
    })
}
