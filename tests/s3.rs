//! A repository in a bucket: from nothing to a backup, through the loss of everything, and back; on the S3 of our own and on
//! the servers that `tests/s3-servers` has left running (`ROZEN_S3_SERVERS`).

mod common;
mod s3_archive;
mod s3_tls;
mod s3fake;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use common::machine::{expect, text};
use common::{Agent, Machine, Noise, assert_same, read_facts};
use rozen::store::{S3Client, StoreUrl};
use s3fake::{ACCESS_KEY, Control, Fault, Rule, S3Fake, SECRET_KEY, When};

/// Where a bucket can be, and the keys to it.
struct Server {
    name: String,
    endpoint: String,
    id: String,
    secret: String,
}

impl Server {
    fn of(fake: &S3Fake) -> Self {
        let (id, secret) = (ACCESS_KEY.to_owned(), SECRET_KEY.to_owned());
        Self { name: "fake".to_owned(), endpoint: fake.endpoint(), id, secret }
    }

    fn outside() -> Vec<Self> {
        let files = std::env::var_os("ROZEN_S3_SERVERS").unwrap_or_default();
        let paths: Vec<_> = std::env::split_paths(&files).filter(|path| !path.as_os_str().is_empty()).collect();
        if paths.is_empty() {
            eprintln!("skipped: backups to real S3 servers: ROZEN_S3_SERVERS names none (tests/s3-servers start)");
        }
        paths.iter().map(|path| Self::read(path)).collect()
    }

    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap();
        let value = |key: &str| {
            text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).unwrap_or_default().to_owned()
        };
        Self {
            name: value("S3_SERVER"),
            endpoint: value("S3_ENDPOINT"),
            id: value("AWS_ACCESS_KEY_ID"),
            secret: value("AWS_SECRET_ACCESS_KEY"),
        }
    }

    /// The URL of a new bucket; the keys lie beside the machine's other secrets.
    fn bucket(&self, machine: &Machine, name: &str) -> String {
        let keys = machine.at("s3-keys");
        fs::write(
            &keys,
            format!("[default]\naws_access_key_id = {}\naws_secret_access_key = {}\n", self.id, self.secret),
        )
        .unwrap();
        fs::set_permissions(&keys, fs::Permissions::from_mode(0o600)).unwrap();
        let name = format!("{name}-{}", std::process::id());
        let url = format!("s3://{name}/backups?endpoint={}&credentials={}", self.endpoint, keys.display());
        let StoreUrl::S3(address) = StoreUrl::parse(&url).unwrap() else { panic!("{url} is no bucket") };
        let client = S3Client::open(&address).unwrap();
        client.run(client.sdk().create_bucket().bucket(&name).send()).unwrap();
        url
    }
}

fn machine_with_files() -> Machine {
    let machine = Machine::new();
    let mut noise = Noise::new(7);
    for i in 0..200 {
        let dir = machine.root().join(format!("d{}", i % 7));
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join(format!("f{i}")), noise.bytes(500 + i * 30)).unwrap();
    }
    fs::write(machine.root().join("large"), noise.bytes(40 << 20)).unwrap();
    machine
}

fn assert_latest_is_the_tree(machine: &Machine, to: &str) {
    let restored = machine.restore("latest", to);
    assert_same(&read_facts(machine.root()), &read_facts(&restored));
    fs::remove_dir_all(restored).unwrap();
}

#[test]
fn what_was_backed_up_into_a_bucket_comes_back_from_it_alone() {
    let fake = S3Fake::start();
    for server in std::iter::once(Server::of(&fake)).chain(Server::outside()) {
        eprintln!("a backup to {}", server.name);
        let machine = machine_with_files();
        let url = server.bucket(&machine, "whole");
        machine.init_at(&url);
        let config = fs::read_to_string(machine.at("rozen.toml")).unwrap();
        assert!(config.contains(&url) && !config.contains(&server.secret), "{config}");
        machine.backup();
        assert_latest_is_the_tree(&machine, "first");

        fs::write(machine.root().join("d1/new"), "new").unwrap();
        fs::remove_file(machine.root().join("d2/f2")).unwrap();
        machine.backup();
        assert_latest_is_the_tree(&machine, "second");
        let recovery = machine.recovery();
        expect(machine.rozenctl("check").arg("--read-data").arg("--recovery").arg(&recovery), 0);

        // another computer has the URL, the keys to the bucket and the recovery file
        for lost in ["rozen.toml", "rozen.key"] {
            fs::remove_file(machine.at(lost)).unwrap();
        }
        fs::remove_dir_all(machine.state()).unwrap();
        let to = machine.at("elsewhere");
        expect(machine.restore_command("latest").args(["--repo", &url]).arg("--to").arg(&to), 0);
        assert_same(&read_facts(machine.root()), &read_facts(&to));

        // and goes on in its place
        expect(machine.rozenctl("recover").args(["--repo", &url]).arg("--recovery").arg(&recovery), 0);
        assert_eq!(fs::read_to_string(machine.at("rozen.toml")).unwrap(), config);
        let before = machine.snapshots().len();
        fs::write(machine.root().join("d1/later"), "after the recovery").unwrap();
        machine.backup();
        let machines: BTreeSet<_> = machine.snapshots().iter().map(|found| found["machine"].to_string()).collect();
        assert_eq!((machines.len(), machine.snapshots().len()), (1, before + 1));
        assert_latest_is_the_tree(&machine, "recovered");
    }
}

#[test]
fn an_unchanged_folder_lists_and_stores_nothing_and_lost_local_state_uploads_no_content_again() {
    let fake = S3Fake::start();
    let machine = machine_with_files();
    machine.init_at(&Server::of(&fake).bucket(&machine, "quiet"));
    machine.backup();
    let first = fake.counts().received_bytes();
    assert!(first > 40 << 20);
    // files that were written just before they were read are looked at once more
    while !machine.backup()["snapshot"].is_null() {}

    // what changed just before it was read is read once more, and what was found out then is stored
    let quiet = || {
        fake.reset_counts();
        machine.backup();
        fake.counts().of("PutObject") == 0
    };
    assert!((0..100).any(|_| quiet()), "{:?}", fake.counts().requests);
    let counts = fake.counts();
    // a process that begins looks once for uploads that an earlier one has left
    let changing = ["CreateMultipartUpload", "ListObjectsV2", "DeleteObject"];
    assert_eq!(changing.map(|operation| counts.of(operation)), [0; 3], "{:?}", counts.requests);
    assert!(counts.of("ListMultipartUploads") <= 1, "{:?}", counts.requests);
    eprintln!("requests of a run without changes: {:?}", counts.requests);

    fs::remove_dir_all(machine.state()).unwrap();
    fake.reset_counts();
    machine.backup();
    let again = fake.counts().received_bytes();
    assert!(again < 1 << 20, "{again} bytes");
    assert_latest_is_the_tree(&machine, "after");
}

#[test]
fn the_agent_backs_up_into_a_bucket_as_things_change_while_the_server_has_bad_moments() {
    let fake = S3Fake::start();
    let machine = Machine::new();
    machine.init_at(&Server::of(&fake).bucket(&machine, "agent"));
    machine.configure("[run]\nsettle = \"100ms\"");
    fake.inject(Rule::new("PutObject", When::Chance { percent: 20, seed: 5 }, Fault::slow_down()));
    fake.inject(Rule::new("PutObject", When::Chance { percent: 10, seed: 6 }, Fault::DropAnswer));
    let mut agent = Agent::start(&machine);
    for round in 1..=3u64 {
        fs::write(machine.root().join(format!("file{round}")), Noise::new(round).bytes(50_000)).unwrap();
        agent.settle();
    }
    agent.stop();
    fake.clear_faults();
    assert_latest_is_the_tree(&machine, "out");
}

#[test]
fn a_bucket_that_cannot_be_used_is_an_error_with_a_remedy() {
    let fake = S3Fake::start();
    let machine = Machine::new();
    let url = Server::of(&fake).bucket(&machine, "real");
    let init = |url: &str, code| {
        let mut init = machine.rozenctl("init");
        let out = expect(init.args(["--repo", url, "--root"]).arg(machine.root()), code);
        assert_eq!(text(&out), "");
        String::from_utf8_lossy(&out.stderr).into_owned()
    };
    let missing = init(&url.replace("s3://real", "s3://unreal"), 10);
    assert!(missing.contains("no such bucket") && missing.contains("target create"), "{missing}");
    let misspelt = init(&url.replace("endpoint=", "endpiont="), 2);
    assert!(misspelt.contains("\"endpoint\" is the nearest"), "{misspelt}");
    fs::set_permissions(machine.at("s3-keys"), fs::Permissions::from_mode(0o644)).unwrap();
    let exposed = init(&url, 5);
    assert!(exposed.contains("can be read by others") && !exposed.contains(SECRET_KEY), "{exposed}");
}

#[test]
fn a_certificate_of_ones_own_is_trusted_when_its_authority_is_given_and_refused_with_that_advice_otherwise() {
    let fake = S3Fake::start();
    let machine = machine_with_files();
    let Some(front) = s3_tls::Front::start(&machine.at("tls"), &fake.endpoint()) else {
        skip!("TLS in front of a bucket: openssl or python3 is not installed");
    };
    let plain = Server::of(&fake).bucket(&machine, "secured");
    let url = plain.replace(&fake.endpoint(), &front.endpoint());
    let mut untrusting = machine.rozenctl("init");
    let out = expect(untrusting.args(["--repo", &url, "--root"]).arg(machine.root()), 1);
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(said.contains("UnknownIssuer") && said.contains("&ca="), "{said}");
    let mut bundled = machine.rozenctl("target");
    bundled.args(["undelete", "--dry-run", "--repo", &url]).env("AWS_CA_BUNDLE", front.authority());
    expect(&mut bundled, 0);
    machine.init_at(&format!("{url}&ca={}", front.authority().display()));
    machine.backup();
    assert_latest_is_the_tree(&machine, "out");
}

#[test]
fn requests_go_through_the_proxy_of_the_environment() {
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = proxy.local_addr().unwrap();
    let seen = std::thread::spawn(move || {
        let (stream, _) = proxy.accept().unwrap();
        let mut lines = BufReader::new(&stream).lines();
        let first = lines.next().unwrap().unwrap();
        // to the end of the request, or the answer would be cut off
        while !lines.next().unwrap().unwrap().is_empty() {}
        (&stream).write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
        first
    });
    let machine = Machine::new();
    let mut init = machine.rozenctl("init");
    init.env("HTTP_PROXY", format!("http://{address}")).env_remove("NO_PROXY").env_remove("no_proxy");
    init.env("AWS_ACCESS_KEY_ID", "id").env("AWS_SECRET_ACCESS_KEY", "secret");
    init.args(["--repo", "s3://bucket/x?endpoint=http://s3.invalid", "--root"]).arg(machine.root());
    // the proxy's 404 is no word of a store, and nobody answers the next question
    expect(&mut init, 1);
    assert!(seen.join().unwrap().starts_with("HEAD http://s3.invalid/bucket"));
}

#[test]
fn a_proxy_that_cannot_be_used_is_named_at_once_without_its_password() {
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = proxy.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in proxy.incoming().map_while(Result::ok) {
            // to the end of the request, or the answer would be cut off
            let read = BufReader::new(&stream).lines().map_while(Result::ok).find(String::is_empty);
            let answer =
                b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            let _ = read.map(|_| (&stream).write_all(answer));
        }
    });
    let machine = Machine::new();
    for (kind, wanted) in [("http", "wants a name and a password"), ("socks5", "of a kind that is not known")] {
        for endpoint in ["http://s3.invalid", "https://s3.invalid"] {
            let named = format!("{kind}://somebody:secret@{address}");
            let mut command = machine.rozenctl("target");
            for name in ["HTTP_PROXY", "HTTPS_PROXY"] {
                command.env(name, &named);
            }
            command.env_remove("NO_PROXY").env_remove("no_proxy").env_remove("AWS_CA_BUNDLE");
            command.env("AWS_ACCESS_KEY_ID", "id").env("AWS_SECRET_ACCESS_KEY", "secret");
            command.args(["undelete", "--dry-run", "--repo", &format!("s3://bucket/x?endpoint={endpoint}")]);
            let out = expect(&mut command, 1);
            let said = String::from_utf8_lossy(&out.stderr).into_owned();
            assert!(said.contains(wanted) && said.contains(&format!("{kind}://{address}")), "{endpoint}: {said}");
            assert!(!said.contains("secret") && !said.contains("tried again"), "{said}");
        }
    }
}

fn error(out: &std::process::Output) -> String {
    String::from_utf8_lossy(&out.stderr).into_owned()
}

#[test]
fn a_restore_that_may_not_read_any_more_ends_with_one_error_and_goes_on() {
    let fake = S3Fake::start();
    let machine = Machine::new();
    let mut noise = Noise::new(15);
    (0..20).for_each(|n| fs::write(machine.root().join(format!("f{n}")), noise.bytes(100_000)).unwrap());
    machine.init_at(&Server::of(&fake).bucket(&machine, "denied"));
    machine.backup();
    let to = machine.at("out");
    let restore = || {
        let mut command = machine.restore_command("latest");
        command.arg("--to").arg(&to);
        command
    };
    fake.inject(Rule::new("GetObject", When::Always, Fault::refuse(403, "AccessDenied")).on("/packs/"));
    let said = error(&expect(&mut restore(), 5));
    assert!(said.contains("s3:GetObject") && said.contains("started again"), "{said}");
    assert!(!said.contains("another snapshot"), "{said}");
    fake.clear_faults();
    expect(&mut restore(), 0);
    assert_same(&read_facts(machine.root()), &read_facts(&to));
}

#[test]
fn what_reading_at_once_costs_is_told_before_and_kept_within_what_is_allowed() {
    let fake = S3Fake::start();
    let machine = Machine::new();
    fs::write(machine.root().join("film"), Noise::new(12).bytes(3 << 20)).unwrap();
    machine.init_at(&Server::of(&fake).bucket(&machine, "hot"));
    machine.backup();
    let (to, prices) =
        (machine.at("out"), Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cost/prices/2026-07-us-east-1.toml"));
    let restore = || {
        let mut command = machine.restore_command("latest");
        command.arg("--to").arg(&to);
        command
    };
    let told = |out: &str| out.contains("3.0 MiB of 1 pack to be read, for under $0.01 at most (prices of 2026");
    let plan = text(&expect(restore().arg("--prices").arg(&prices).arg("--dry-run"), 0));
    assert!(told(&plan), "{plan}");
    let json = text(&expect(restore().arg("--prices").arg(&prices).args(["--dry-run", "--json"]), 0));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(json["archive"].is_null() && json["at_once"]["cost"]["total"].is_string(), "{json}");

    let dear = expect(restore().arg("--prices").arg(&prices).args(["--max-cost", "0.000000001"]), 1);
    assert!(error(&dear).contains("more than --max-cost allows"), "{}", error(&dear));
    let unpriced = expect(restore().args(["--max-cost", "5"]), 1);
    assert!(error(&unpriced).contains("there are no prices of"), "{}", error(&unpriced));
    assert!(!to.exists());

    let check = |most: &str, code| {
        let mut check = machine.rozenctl("check");
        check.arg("--read-data").arg("--recovery").arg(machine.recovery()).arg("--prices").arg(&prices);
        expect(check.args(["--max-cost", most]), code)
    };
    let ranges = || fake.counts().of("GetObject");
    let before = ranges();
    let dear = check("0.000000001", 1);
    assert!(error(&dear).contains("more than --max-cost allows") && error(&dear).contains("--read-data=5%"));
    let without_data = ranges() - before;
    let checked = text(&check("5", 0));
    assert!(checked.contains(" to be read, for under $0.01 at most (prices of 2026"), "{checked}");
    assert!(ranges() - before > 2 * without_data, "{} and {without_data} requests", ranges() - before);

    let done = text(&expect(restore().arg("--prices").arg(&prices).args(["--max-cost", "5"]), 0));
    assert!(told(&done) && done.contains("restored 1 file "), "{done}");
}
