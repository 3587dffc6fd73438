//! The prices applied to what was counted: the bill that a person reads.

use super::CostError;
use super::forecast::{Growth, forecast};
use super::lookup::{Billed, PriceFiles, Unpriced, prices_for};
use super::money::{Currency, Money};
use super::requests::{RequestLine, requests};
use super::restore::Wanted;
use super::stored::{Inventory, Kind, MonthlyLine, commitment, monthly};
use super::table::PriceTable;
use crate::model::Timestamp;
use crate::status::{KindOfUse, RequestUsage, RunUsage, StoredUsage, Usage, counted};
use crate::store::Verb;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bill {
    /// A month of what is stored now.
    pub storage: Vec<MonthlyLine>,
    /// Owed for storage even if all was deleted today.
    pub commitment: Money,
    /// Of the last 30 days.
    pub requests: Vec<RequestLine>,
    pub last_run: Option<RunBill>,
    /// `None`: too early to tell.
    pub next_month: Option<NextMonth>,
}

/// What one run cost.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RunBill {
    pub started: Timestamp,
    pub requests: u64,
    /// Once.
    pub cost: Money,
    pub added_bytes: u64,
    /// Every month from now on, for what it added.
    pub monthly: Money,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NextMonth {
    pub cost: Money,
    /// It is told from so many days.
    pub days: u32,
    /// Added in a month at the rate of these days.
    pub growth_bytes: u64,
}

impl Bill {
    pub fn new(table: &PriceTable, usage: &Usage) -> Result<Self, CostError> {
        let stored = inventory(table, &usage.stored)?;
        let next_month = usage.recent.as_ref().map(|recent| {
            let added = inventory(table, &recent.added)?;
            let requests = priced(table, &recent.requests)?.iter().map(|line| line.cost).sum();
            let growth = Growth { days: recent.days, added, requests };
            let cost = forecast(table, &stored, &growth)?;
            Ok::<_, CostError>(NextMonth { cost, days: recent.days, growth_bytes: growth.bytes_a_month() })
        });
        Ok(Self {
            storage: monthly(table, &stored)?,
            commitment: commitment(table, &stored)?,
            requests: priced(table, &usage.requests)?,
            last_run: usage.last_run.as_ref().map(|run| RunBill::new(table, run)).transpose()?,
            next_month: next_month.transpose()?,
        })
    }

    pub fn storage_total(&self) -> Money {
        self.storage.iter().map(|line| line.cost).sum()
    }

    pub fn request_total(&self) -> Money {
        self.requests.iter().map(|line| line.cost).sum()
    }
}

impl RunBill {
    pub fn new(table: &PriceTable, run: &RunUsage) -> Result<Self, CostError> {
        let lines = priced(table, &run.requests)?;
        let added = inventory(table, &run.added)?;
        Ok(Self {
            started: run.started,
            requests: lines.iter().map(|line| line.count).sum(),
            cost: lines.iter().map(|line| line.cost).sum(),
            added_bytes: added.bytes(),
            monthly: monthly(table, &added)?.iter().map(|line| line.cost).sum(),
        })
    }
}

/// What a run cost, as a line for people and, where the prices are known, exactly.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RunCost {
    pub text: String,
    pub exact: Option<(RunBill, Currency)>,
}

/// `None` where nobody sends a bill, or somebody whose prices were never given.
pub fn run_cost(
    run: &RunUsage,
    billed: &Billed,
    files: &PriceFiles,
    now: Timestamp,
) -> Result<Option<RunCost>, CostError> {
    let table = match (prices_for(billed, files)?, billed) {
        (Ok(table), _) => table,
        (Err(Unpriced::NotKnown(whose)), Billed::Aws { .. }) => {
            let text = format!("not known: there are no prices of {whose} (`rozenctl cost` says more)");
            return Ok(Some(RunCost { text, exact: None }));
        }
        (Err(_), _) => return Ok(None),
    };
    let bill = RunBill::new(&table, run)?;
    let show = |money| table.currency.show(money);
    let requests = counted(bill.requests, "request", "requests");
    let (cost, month, prices) = (show(bill.cost), show(bill.monthly), table.with_age(now));
    let text = format!("{cost} for {requests}; what it added: {month} a month ({prices})");
    Ok(Some(RunCost { text, exact: Some((bill, table.currency)) }))
}

/// Everything that is stored, read once from its beginning to its end.
pub fn everything(usage: &Usage) -> Vec<Wanted> {
    let wanted = |group: &StoredUsage| Wanted {
        class: group.class,
        objects: group.objects,
        object_bytes: group.bytes,
        read_bytes: group.bytes,
        reads: group.objects,
    };
    usage.stored.iter().map(wanted).collect()
}

fn inventory(table: &PriceTable, groups: &[StoredUsage]) -> Result<Inventory, CostError> {
    let mut inventory = Inventory::default();
    for group in groups {
        let kind = match group.kind {
            KindOfUse::Content => Kind::Content,
            KindOfUse::Metadata | KindOfUse::Estimated => Kind::Metadata,
        };
        inventory.add(table, (group.class, kind), group.objects, group.bytes)?;
    }
    Ok(inventory)
}

fn priced(table: &PriceTable, counts: &[RequestUsage]) -> Result<Vec<RequestLine>, CostError> {
    let known = |request: &RequestUsage| {
        let verb = Verb::from_code(&request.verb);
        verb.map(|verb| ((verb, request.class), request.count))
            .ok_or_else(|| CostError::UnknownRequest { verb: request.verb.clone() })
    };
    requests(table, counts.iter().map(known).collect::<Result<Vec<_>, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::examples_tests::table;
    use crate::cost::money::GB;
    use crate::model::StorageClass;
    use crate::status::RecentUsage;
    use crate::store::StoreUrl;

    fn stored(kind: KindOfUse, gb: u64) -> StoredUsage {
        StoredUsage { class: StorageClass::Standard, kind, objects: gb, bytes: gb * GB }
    }

    fn puts(count: u64) -> Vec<RequestUsage> {
        vec![RequestUsage { verb: "put".into(), class: StorageClass::Standard, count }]
    }

    fn used() -> Usage {
        let run =
            RunUsage { started: Timestamp::new(5, 0), requests: puts(40), added: vec![stored(KindOfUse::Content, 3)] };
        Usage {
            stored: vec![
                stored(KindOfUse::Content, 90),
                stored(KindOfUse::Metadata, 9),
                stored(KindOfUse::Estimated, 1),
            ],
            requests: puts(2000),
            recent: Some(RecentUsage { days: 10, added: vec![stored(KindOfUse::Content, 20)], requests: puts(1000) }),
            last_run: Some(run),
            arena: vec![],
        }
    }

    #[test]
    fn a_bill_names_storage_requests_the_last_run_and_the_next_month() {
        let bill = Bill::new(&table(), &used()).unwrap();
        let kinds: Vec<_> = bill.storage.iter().map(|line| (line.kind, line.group.objects)).collect();
        assert_eq!(kinds, [(Kind::Content, 90), (Kind::Metadata, 10)]);
        assert_eq!(bill.storage_total().to_string(), "2.30");
        assert_eq!(bill.request_total().to_string(), "0.01");
        let run = bill.last_run.unwrap();
        assert_eq!((run.requests, run.cost.to_string()), (40, "0.0002".to_owned()));
        assert_eq!((run.added_bytes, run.monthly.to_string()), (3 * GB, "0.069".to_owned()));
        let next = bill.next_month.unwrap();
        // 130 GB on the average, and 3,000 requests
        assert_eq!((next.cost.to_string(), next.growth_bytes), ("3.005".to_owned(), 60 * GB));
    }

    #[test]
    fn a_run_says_what_it_cost_where_somebody_sends_a_bill() {
        let run = used().last_run.unwrap();
        let text = |url: &str| {
            let now = Timestamp::new(1_795_219_200, 0);
            let billed = Billed::of(&StoreUrl::parse(url).unwrap());
            run_cost(&run, &billed, &PriceFiles::default(), now).unwrap().map(|cost| cost.text)
        };
        assert_eq!(
            text("s3://bucket").unwrap(),
            "under $0.01 for 40 requests; what it added: $0.07 a month \
             (prices of 2026-07-01 (us-east-1), 143 days old)"
        );
        assert!(text("s3://bucket?region=sa-east-1").unwrap().contains("AWS in sa-east-1"));
        assert_eq!(text("s3://bucket?endpoint=http://127.0.0.1:9000"), None);
        assert_eq!(text("/srv/backup"), None);
    }

    #[test]
    fn a_request_that_is_not_known_is_not_taken_as_free() {
        let usage = Usage { requests: vec![RequestUsage { verb: "dance".into(), ..puts(1)[0].clone() }], ..used() };
        assert!(matches!(Bill::new(&table(), &usage), Err(CostError::UnknownRequest { .. })));
    }
}
