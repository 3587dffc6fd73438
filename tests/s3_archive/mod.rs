//! Restores from archive classes: the plan, the price, the wait, and what an archive has as well.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use super::common::machine::{expect, text};
use super::common::{Machine, Noise, assert_same, read_facts};
use super::s3fake::{Control, Fault, Rule, S3Fake, When};
use super::{Server, error};

fn in_deep_archive(machine: &Machine) {
    let config = machine.at("rozen.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("[[root]]", "[[root]]\nclass = \"DEEP_ARCHIVE\"")).unwrap();
}

fn priced_restore(machine: &Machine, to: &Path) -> Command {
    let prices = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cost/prices/2026-07-us-east-1.toml");
    let mut command = machine.restore_command("latest");
    command.arg("--to").arg(to).arg("--prices").arg(prices);
    command
}

/// Content in DEEP_ARCHIVE, more of it than waits in the arena, and a few small files.
fn machine_with_an_archive(server: &Server) -> Machine {
    let machine = Machine::new();
    let mut noise = Noise::new(11);
    fs::write(machine.root().join("film"), noise.bytes(70 << 20)).unwrap();
    machine.init_at(&server.bucket(&machine, "deep"));
    in_deep_archive(&machine);
    machine.backup();
    // a run of its own: too small for the archive
    for name in ["a", "b", "c"] {
        fs::write(machine.root().join(name), noise.bytes(3000)).unwrap();
    }
    machine.backup();
    machine
}

#[test]
fn what_is_in_an_archive_is_planned_priced_asked_for_awaited_and_restored() {
    let fake = S3Fake::start();
    let machine = machine_with_an_archive(&Server::of(&fake));
    let to = machine.at("out");
    let restore = || priced_restore(&machine, &to);
    // looking needs no thaw
    expect(machine.rozenctl("ls").arg("latest").arg("--recovery").arg(machine.recovery()), 0);

    let mut check = machine.rozenctl("check");
    let checked = text(&expect(check.arg("--read-data").arg("--recovery").arg(machine.recovery()), 0));
    assert!(checked.contains("not read: 1 pack in an archive class"), "{checked}");

    let plan = text(&expect(restore().arg("--dry-run"), 0));
    for word in ["1 must be thawed", "prices of 2026", "bulk", "within 2 days", "standard", "within 12 hours", "$"] {
        assert!(plan.contains(word), "{word:?} is not in:\n{plan}");
    }
    assert!(!plan.contains("expedited"), "DEEP_ARCHIVE does not offer it:\n{plan}");

    // a table that cannot be used stands between nobody and their files
    let mine = machine.at("prices.toml");
    fs::write(&mine, "version = 1").unwrap();
    let unpriced = expect(machine.restore_command("latest").arg("--to").arg(&to).arg("--dry-run"), 0);
    let (said, warned) = (text(&unpriced), error(&unpriced));
    assert!(said.contains("What that costs is not known") && warned.contains("prices.toml"), "{said}{warned}");
    expect(machine.restore_command("latest").arg("--to").arg(&to).arg("--prices").arg(&mine), 1);
    fs::remove_file(&mine).unwrap();

    // nobody to ask, too dear, not offered: nothing is asked for
    let refused = expect(&mut restore(), 2);
    assert!(error(&refused).contains("--yes --tier bulk"), "{}", error(&refused));
    let dear = expect(restore().args(["--yes", "--max-cost", "0.00001"]), 1);
    assert!(error(&dear).contains("more than --max-cost allows"), "{}", error(&dear));
    expect(restore().args(["--yes", "--tier", "expedited"]), 2);
    assert_eq!(fake.counts().requests.get("RestoreObject").copied().unwrap_or(0), 0);

    let mut waiting = restore().arg("--yes").stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufRead::lines(BufReader::new(waiting.stdout.take().unwrap()));
    // what reads at once is there long before the archive answers
    let told = lines.find(|line| line.as_ref().is_ok_and(|line| line.contains("so far"))).unwrap().unwrap();
    assert!(told.contains("restored 3 files"), "{told}");
    waiting.kill().unwrap();
    waiting.wait().unwrap();
    assert!(to.join("a").exists() && !to.join("film").exists());

    // it has been paid for: the same command goes on without asking
    fake.advance(49 * 3600);
    let done = text(&expect(&mut restore(), 0));
    assert!(done.contains("restored 1 file "), "{done}");
    assert_same(&read_facts(machine.root()), &read_facts(&to));
    assert_eq!(fake.counts().requests.get("RestoreObject").copied(), Some(1));
}

#[test]
fn what_the_archive_refuses_says_what_helps_and_a_pack_that_is_gone_ends_no_restore() {
    let fake = S3Fake::start();
    let machine = machine_with_an_archive(&Server::of(&fake));
    let to = machine.at("out");
    let restore = || {
        let mut command = priced_restore(&machine, &to);
        command.arg("--yes");
        command
    };
    let refused = |status, code, exit| {
        fake.inject(Rule::new("RestoreObject", When::Always, Fault::refuse(status, code)));
        let said = error(&expect(&mut restore(), exit));
        fake.clear_faults();
        said
    };
    let denied = refused(403, "AccessDenied", 5);
    assert!(denied.contains("s3:RestoreObject"), "{denied}");
    let busy = refused(503, "GlacierExpeditedRetrievalNotAvailable", 1);
    assert!(busy.contains("another --tier"), "{busy}");
    let gone = refused(404, "NoSuchKey", 3);
    assert!(gone.contains("film"), "{gone}");
    assert!(to.join("a").exists() && !to.join("film").exists());
}

#[test]
fn what_is_damaged_where_it_reads_at_once_comes_from_an_archive_that_has_it_as_well() {
    let fake = S3Fake::start();
    let (first, second) = (Machine::new(), Machine::new());
    for machine in [&first, &second] {
        fs::write(machine.root().join("film"), Noise::new(13).bytes(70 << 20)).unwrap();
    }
    let url = Server::of(&fake).bucket(&first, "twice");
    first.init_at(&url);
    in_deep_archive(&first);
    first.backup();
    let others = first.snapshots()[0]["machine"].clone();
    // a second machine has the same, where it reads at once
    let mut join = second.rozenctl("init");
    join.args(["--repo", &url, "--root"]).arg(second.root()).arg("--recovery").arg(first.recovery());
    expect(&mut join, 0);
    second.backup();
    fs::create_dir(second.recovery().parent().unwrap()).unwrap();
    fs::copy(first.recovery(), second.recovery()).unwrap();
    let mut machines = second.snapshots().into_iter().map(|found| found["machine"].clone());
    let machine = machines.find(|machine| *machine != others).unwrap().as_str().unwrap().to_owned();
    let to = second.at("out");
    let restore = || priced_restore(&second, &to);

    fake.inject(Rule::new("GetObject", When::Always, Fault::FlipAnswer).on(&format!("{machine}/packs/")));
    let alone = expect(&mut restore(), 3);
    assert!(
        error(&alone).contains("must be thawed") && error(&alone).contains("--yes --tier bulk"),
        "{}",
        error(&alone)
    );
    let mut waiting = restore().arg("--yes").stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufRead::lines(BufReader::new(waiting.stdout.take().unwrap()));
    lines.find(|line| line.as_ref().is_ok_and(|line| line.contains("asked the archive"))).unwrap().unwrap();
    fake.advance(49 * 3600);
    let rest: Vec<_> = lines.map_while(Result::ok).collect();
    assert!(waiting.wait().unwrap().success(), "{rest:?}");
    assert_same(&read_facts(second.root()), &read_facts(&to));
}
