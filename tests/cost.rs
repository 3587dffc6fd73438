//! What things cost, as a person reads it and as a program reads it: a bucket on the S3 of our own, prices made for the test.

mod common;
mod s3fake;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use common::machine::{expect, json, text};
use common::{Agent, Machine, Noise};
use rozen::store::{S3Client, StoreUrl};
use s3fake::{ACCESS_KEY, Control, S3Fake, SECRET_KEY};
use serde_json::Value;

/// A dollar a thousand requests of each kind, a thousand dollars a GB and month: small tests show up in cents.
const PRICES: &str = r#"
version = "2026-11-01"
provider = "of the test"
region = "here"
currency = "USD"
source = "made up"
list_per_1000 = "1"
[transfer_out]
price_gb = "100"
[class.STANDARD]
storage_gb_month = "1000"
put_per_1000 = "1"
part_per_1000 = "1"
get_per_1000 = "1"
"#;

/// A machine whose repository is in a bucket of its own.
fn machine_at(fake: &S3Fake, name: &str) -> Machine {
    let machine = Machine::new();
    let keys = machine.at("s3-keys");
    fs::write(&keys, format!("[default]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n"))
        .unwrap();
    fs::set_permissions(&keys, fs::Permissions::from_mode(0o600)).unwrap();
    let url = format!("s3://{name}/backups?endpoint={}&credentials={}", fake.endpoint(), keys.display());
    let StoreUrl::S3(address) = StoreUrl::parse(&url).unwrap() else { panic!("{url} is no bucket") };
    let client = S3Client::open(&address).unwrap();
    client.run(client.sdk().create_bucket().bucket(name).send()).unwrap();
    machine.init_at(&url);
    fs::write(machine.root().join("noise"), Noise::new(3).bytes(1_000_000)).unwrap();
    fs::create_dir(machine.root().join("d")).unwrap();
    fs::write(machine.root().join("d/small"), "small").unwrap();
    machine
}

fn with_prices(machine: &Machine) {
    fs::write(machine.at("prices.toml"), PRICES).unwrap();
}

fn cost(machine: &Machine, args: &[&str]) -> Value {
    json(&expect(machine.rozenctl("cost").arg("--json").args(args), 0))
}

/// In dollars. For comparisons of a test only.
fn amount(value: &Value) -> f64 {
    value.as_str().unwrap_or_else(|| panic!("{value} is an amount")).parse().unwrap()
}

#[test]
fn a_repository_in_a_directory_has_no_bill() {
    let machine = Machine::new();
    machine.init();
    let run = machine.backup();
    assert_eq!(run["cost"], Value::Null);
    let out = expect(&mut machine.rozenctl("cost"), 0);
    assert!(text(&out).contains("nobody sends a bill"), "{}", text(&out));
    assert_eq!(cost(&machine, &[])["billed"], false);
    let out = expect(machine.rozenctl("backup").arg("--once"), 0);
    assert!(!text(&out).contains("cost"), "{}", text(&out));
}

#[test]
fn prices_that_nobody_knows_are_asked_for_and_not_guessed() {
    let fake = S3Fake::start();
    let machine = machine_at(&fake, "unknown");
    assert_eq!(machine.backup()["cost"], Value::Null);
    let out = expect(&mut machine.rozenctl("cost"), 1);
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(said.contains("are not known") && said.contains("--prices"), "{said}");
    // the same bucket with a table that is given by hand
    fs::write(machine.at("mine.toml"), PRICES).unwrap();
    let mine = machine.at("mine.toml");
    assert!(amount(&cost(&machine, &["--prices", mine.to_str().unwrap()])["month_total"]) > 0.5);
}

#[test]
fn a_bucket_is_billed_by_what_it_holds_and_by_every_request_that_it_got() {
    let fake = S3Fake::start();
    let machine = machine_at(&fake, "billed");
    with_prices(&machine);
    fake.reset_counts();
    let run = machine.backup();
    let counts = fake.counts();
    let all: u64 = counts.requests.values().sum();
    assert_eq!(run["cost"]["requests"], all, "{:?}", counts.requests);
    assert_eq!(amount(&run["cost"]["cost"]), all as f64 / 1000.0);
    assert!(run["cost"]["added_bytes"].as_u64().unwrap() > 1_000_000, "{run}");

    fake.reset_counts();
    let bill = cost(&machine, &[]);
    assert!(fake.counts().requests.is_empty(), "asking costs nothing: {:?}", fake.counts().requests);
    let kinds: Vec<_> = bill["month"].as_array().unwrap().iter().map(|line| line["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["content", "metadata"]);
    let dollars_a_byte = 1000.0 / f64::from(1 << 30);
    let content = &bill["month"][0];
    assert!((amount(&content["cost"]) - content["bytes"].as_f64().unwrap() * dollars_a_byte).abs() < 1e-6, "{bill}");
    let puts = bill["requests"].as_array().unwrap().iter().find(|line| line["verb"] == "put").unwrap();
    assert_eq!(puts["count"], counts.of("PutObject"));
    assert_eq!(bill["last_run"]["cost"], run["cost"]["cost"]);
    assert_eq!((&bill["next_month"], &bill["commitment"]), (&Value::Null, &Value::from("0.00")));
    assert_eq!(bill["restore_everything"][0]["tier"], Value::Null, "nothing must be thawed");
    assert_eq!((&bill["prices"]["region"], &bill["prices"]["currency"]), (&"here".into(), &"USD".into()));

    let page = text(&expect(&mut machine.rozenctl("cost"), 0)).to_owned();
    for part in [
        "prices of 2026-11-01 (here)",
        "content",
        "together",
        "The last run",
        "not known yet",
        "Not included:\n  taxes",
    ] {
        assert!(page.contains(part), "{part:?} is missing in:\n{page}");
    }
}

#[test]
fn a_dry_run_tells_what_a_backup_costs_at_most_and_touches_nothing() {
    let fake = S3Fake::start();
    let machine = machine_at(&fake, "dry");
    with_prices(&machine);
    let dry_run = || json(&expect(machine.rozenctl("backup").args(["--dry-run", "--json"]), 0));
    let journal = || fs::read(machine.state().join("journal.db")).ok();
    fake.reset_counts();
    let before = journal();
    let told = dry_run();
    assert_eq!((fake.counts().all_requests(), journal()), (0, before), "nothing is asked, nothing is written");
    assert_eq!((&told["roots"][0]["files"], &told["roots"][0]["bytes"]), (&2.into(), &1_000_005.into()), "{told}");
    assert_eq!(told["at_most"]["classes"][0]["class"], "STANDARD");

    let run = machine.backup();
    let (most, cost) = (&told["at_most"], &run["cost"]);
    assert!(amount(&most["cost"]) >= amount(&cost["cost"]), "{most} {cost}");
    assert!(amount(&most["month"]) >= amount(&cost["added_month"]), "{most} {cost}");
    assert!(most["bytes"].as_u64() >= cost["added_bytes"].as_u64(), "{most} {cost}");

    fs::write(machine.root().join("d/small"), "another").unwrap();
    fs::remove_file(machine.root().join("noise")).unwrap();
    let root = &dry_run()["roots"][0];
    assert_eq!((&root["files"], &root["bytes"], &root["gone"]), (&1.into(), &7.into(), &1.into()), "{root}");
    let page = text(&expect(machine.rozenctl("backup").arg("--dry-run"), 0));
    assert!(page.contains("1 file to read") && page.contains("cost at most: $"), "{page}");
    machine.backup();
    assert_eq!(machine.snapshots().len(), 2, "what a dry run saw was still to be stored");
}

#[test]
fn restoring_a_part_is_priced_by_the_packs_that_it_needs() {
    let fake = S3Fake::start();
    let machine = machine_at(&fake, "part");
    with_prices(&machine);
    machine.backup();
    let recovery = machine.recovery();
    let plan = |path: &[&str]| {
        let args = [&["--restore", "latest", "--recovery", recovery.to_str().unwrap()], path].concat();
        cost(&machine, &args)
    };
    let (all, part) = (plan(&[]), plan(&["--path", "d/small"]));
    assert!(all["read_bytes"].as_u64().unwrap() > 1_000_000 && all["lost"] == 0, "{all}");
    assert!(part["read_bytes"].as_u64().unwrap() < 10_000, "{part}");
    assert!(amount(&part["restore"][0]["total"]) < amount(&all["restore"][0]["total"]));
    assert!(part["pack_bytes"].as_u64().unwrap() >= part["read_bytes"].as_u64().unwrap());
    expect(machine.rozenctl("cost").args(["--restore", "latest"]), 12);
    expect(machine.rozenctl("cost").args(["--path", "d"]), 2);
    expect(machine.rozenctl("cost").args(["--repo", "s3://other"]), 2);
}

#[test]
fn the_agent_tells_what_its_runs_cost_and_answers_while_it_runs() {
    let fake = S3Fake::start();
    let machine = machine_at(&fake, "agent");
    with_prices(&machine);
    machine.configure("[run]\nsettle = \"100ms\"");
    let mut agent = Agent::start(&machine);
    fs::write(machine.root().join("new"), Noise::new(5).bytes(50_000)).unwrap();
    agent.settle();
    let status = agent.wait_for("what the last run cost", |status| status["last_run_cost"].is_string());
    let told = status["last_run_cost"].as_str().unwrap();
    assert!(told.contains("requests") && told.contains("prices of 2026-11-01"), "{told}");
    let bill = cost(&machine, &[]);
    assert!(amount(&bill["month_total"]) > 0.5, "{bill}");
    agent.stop();
}

#[test]
fn a_file_that_is_no_offer_is_refused_and_the_prices_stay() {
    let machine = Machine::new();
    machine.init();
    with_prices(&machine);
    let file = machine.at("offer.json");
    fs::write(&file, "{}").unwrap();
    let out = expect(machine.rozenctl("cost").arg("import").arg(&file), 1);
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(said.contains("is no offer file") && said.contains("remedy"), "{said}");
    assert_eq!(fs::read_to_string(machine.at("prices.toml")).unwrap(), PRICES);
}
