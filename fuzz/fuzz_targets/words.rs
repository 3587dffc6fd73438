//! What people and other programs write: times and numbers of snapshots, URLs, price tables, bucket policies, patterns, the
//! mount table.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use rozen::bucket::Policy;
use rozen::config::exclude::{ExcludeConfig, Rules};
use rozen::cost::{Price, PriceTable};
use rozen::history::{Pattern, SnapshotSpec};
use rozen::model::{Mount, RelPath, Timestamp};
use rozen::store::StoreUrl;
use time::UtcOffset;

static SHIPPED: LazyLock<Rules> =
    LazyLock::new(|| Rules::compile(&ExcludeConfig::default()).expect("the shipped list"));

fuzz_target!(|data: &[u8]| {
    let Some((kind, data)) = data.split_first() else { return };
    let text = String::from_utf8_lossy(data);
    match kind % 8 {
        0 => drop(SnapshotSpec::parse(&text, Timestamp::new(1_800_000_000, 5), UtcOffset::UTC)),
        1 => drop(StoreUrl::parse(&text)),
        2 => drop(PriceTable::parse(&text).map(|table| table.transfer(u64::MAX / 2, u64::MAX / 2))),
        3 => drop(Policy::parse(&text)),
        4 => drop(Price::parse(&text)),
        5 => drop(Mount::parse_table(data)),
        6 => drop(Pattern::new(&text, true).matches(b"/a root", &RelPath::root().join(b"a name"))),
        _ => ignore_file(data),
    }
});

/// The first line is a path, the rest an ignore file of the root.
fn ignore_file(data: &[u8]) {
    let mut parts = data.splitn(2, |byte| *byte == b'\n');
    let Ok(path) = RelPath::parse(parts.next().unwrap_or_default()) else { return };
    let content = parts.next().unwrap_or_default();
    let (rules, _faults) = SHIPPED.enter(&RelPath::root(), &[(b".rozenignore", content)]);
    let _ = rules.excludes_with_parents(&path, false);
}
