//! Words and JSON for what things cost.

use serde_json::{Value, json};

use super::context::Context;
use super::error::CliError;
use super::output::Output;
use super::show;
use super::ways_back::WaysBack;
use crate::cost::{self, Bill, Billed, Kind, Money, MonthlyLine, PriceFiles, PriceTable, RunCost};
use crate::journal::Journal;
use crate::model::Timestamp;
use crate::status::{ArenaUsage, arena_line, bytes, counted, grouped};
use crate::store::StoreUrl;

/// What no table of prices can know.
const NOT_INCLUDED: [&str; 4] = [
    "taxes, discounts, the free tier of new accounts",
    "encryption with keys of your own (KMS)",
    "versions and parts that were left behind",
    "what other programs and other machines store in the bucket",
];

/// What the last run in this process cost.
pub(super) fn last_run(journal: &Journal, repository: &str, context: &Context) -> Result<Option<RunCost>, CliError> {
    let Some(run) = cost::last_run(journal)? else { return Ok(None) };
    let (places, billed) = (context.places()?, Billed::of(&StoreUrl::parse(repository)?));
    Ok(cost::run_cost(&run, &billed, &PriceFiles::usual(&places.config, &places.state), context.clock.wall())?)
}

/// All that `rozenctl cost` says.
pub(super) struct Report<'r> {
    pub(super) repository: &'r str,
    pub(super) billed: &'r Billed,
    pub(super) bill: Bill,
    pub(super) arena: Vec<ArenaUsage>,
    pub(super) everything: WaysBack,
    pub(super) table: &'r PriceTable,
    pub(super) now: Timestamp,
}

impl Report<'_> {
    pub(super) fn show(&self, output: &Output) -> Result<(), CliError> {
        let parts =
            [self.head(), self.month()?, self.arena(), self.requests(), self.runs(), self.way_back(), self.assumed()];
        for line in parts.iter().flatten() {
            output.line(line)?;
        }
        output.json(|| self.json())
    }

    fn money(&self, money: Money) -> String {
        self.table.currency.show(money)
    }

    fn head(&self) -> Vec<String> {
        vec![self.repository.to_owned(), self.table.with_age(self.now), String::new()]
    }

    fn month(&self) -> Result<Vec<String>, CliError> {
        let mut lines = vec!["Each month, for what is stored now".to_owned()];
        lines.extend(self.bill.storage.iter().map(|line| self.month_line(line)));
        if self.bill.storage.is_empty() {
            lines.push("  nothing is stored yet".to_owned());
        }
        lines.push(format!("  {:<49}{:>16}", "together", self.money(self.bill.storage_total())));
        if !self.bill.commitment.is_zero() {
            let owed = self.money(self.bill.commitment);
            lines.push(format!("  {:<49}{owed:>16}", "to be paid even if all was deleted today"));
        }
        lines.push(String::new());
        Ok(lines)
    }

    fn arena(&self) -> Vec<String> {
        let lines = self.arena.iter().map(|waiting| format!("  {}", arena_line(waiting, show::local_time)));
        let mut lines: Vec<String> = lines.collect();
        if !lines.is_empty() {
            lines.insert(0, "Waiting in STANDARD to be merged".to_owned());
            lines.push(String::new());
        }
        lines
    }

    fn month_line(&self, line: &MonthlyLine) -> String {
        let (objects, size) = (counted(line.group.objects, "object", "objects"), bytes(line.group.bytes));
        month_columns([line.class.as_str(), kind(line.kind), &objects, &size, &self.money(line.cost)])
    }

    fn requests(&self) -> Vec<String> {
        let mut lines = vec!["Requests of the last 30 days".to_owned()];
        for line in &self.bill.requests {
            let (class, verb) = (line.class.as_str(), line.verb.code());
            let (count, cost) = (grouped(line.count), self.money(line.cost));
            lines.push(format!("  {class:<13}{verb:<16}{count:>20}{cost:>16}"));
        }
        lines.push(format!("  {:<49}{:>16}", "together", self.money(self.bill.request_total())));
        lines.push(String::new());
        lines
    }

    fn runs(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(run) = &self.bill.last_run {
            let (when, requests) = (show::local_time(run.started), counted(run.requests, "request", "requests"));
            lines.push(format!("The last run ({when}): {} for {requests};", self.money(run.cost)));
            lines.push(format!("  it added {}, {} a month", bytes(run.added_bytes), self.money(run.monthly)));
        }
        lines.push(match &self.bill.next_month {
            Some(next) => format!(
                "The next month: {}, if it goes on as in the last {} (+{} a month)",
                self.money(next.cost),
                counted(u64::from(next.days), "day", "days"),
                bytes(next.growth_bytes)
            ),
            None => "The next month: not known yet; it is told from what is added after the first days".to_owned(),
        });
        lines.push(String::new());
        lines
    }

    fn way_back(&self) -> Vec<String> {
        let title = "Getting everything back once (all packs of this machine, not only the last snapshot)".to_owned();
        let mut lines = vec![title];
        lines.extend(self.everything.lines(self.table));
        lines.push(String::new());
        lines
    }

    fn assumed(&self) -> Vec<String> {
        let mut assumed = vec!["index objects and manifests are estimated".to_owned()];
        assumed.extend(self.everything.assumed());
        if let Billed::Aws { region, assumed: true } = self.billed {
            assumed.insert(0, format!("the bucket is in {region} (the target names no region; --region says it)"));
        }
        let parts = [("Assumed:", assumed), ("Not included:", NOT_INCLUDED.map(str::to_owned).to_vec())];
        let indented = |lines: Vec<String>| lines.into_iter().map(|line| format!("  {line}")).collect::<Vec<_>>();
        parts.into_iter().flat_map(|(title, lines)| [vec![title.to_owned()], indented(lines)].concat()).collect()
    }

    fn json(&self) -> Value {
        let bill = &self.bill;
        json!({
            "repository": self.repository, "billed": true, "prices": prices_json(self.table, self.billed, self.now),
            "month": bill.storage.iter().map(|line| json!({
                "class": line.class, "kind": kind(line.kind), "objects": line.group.objects, "bytes": line.group.bytes,
                "billed_bytes": line.group.billed, "cost": line.cost.to_string(),
            })).collect::<Vec<_>>(),
            "month_total": bill.storage_total().to_string(), "commitment": bill.commitment.to_string(),
            "arena": self.arena,
            "requests": bill.requests.iter().map(|line| json!({
                "class": line.class, "verb": line.verb.code(), "count": line.count, "cost": line.cost.to_string(),
            })).collect::<Vec<_>>(),
            "requests_total": bill.request_total().to_string(),
            "last_run": bill.last_run.as_ref().map(|run| json!({
                "started": show::json_time(Some(run.started)), "requests": run.requests, "cost": run.cost.to_string(),
                "added_bytes": run.added_bytes, "added_month": run.monthly.to_string(),
            })),
            "next_month": bill.next_month.map(|next| json!({
                "cost": next.cost.to_string(), "days": next.days, "growth_bytes": next.growth_bytes,
            })),
            "restore_everything": self.everything.json(),
        })
    }
}

/// The last has room for "under 0.01 EUR" and a space.
fn month_columns([class, kind, objects, size, cost]: [&str; 5]) -> String {
    format!("  {class:<13}{kind:<9}{objects:>16}{size:>11}{cost:>16}")
}

/// Whose prices, and how old.
pub(super) fn prices_json(table: &PriceTable, billed: &Billed, now: Timestamp) -> Value {
    json!({
        "version": table.version, "age_days": table.version.age_days(now), "provider": table.provider,
        "region": table.region, "currency": table.currency.as_str(), "source": table.source,
        "region_assumed": matches!(billed, Billed::Aws { assumed: true, .. }),
    })
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Content => "content",
        Kind::Metadata => "metadata",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stay_apart() {
        let line = month_columns(["DEEP_ARCHIVE", "content", "1,234 objects", "1,023.9 MiB", "under 0.01 EUR"]);
        assert!(line.contains("1,023.9 MiB  under 0.01 EUR"), "{line}");
    }
}
