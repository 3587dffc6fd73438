//! A large first backup, killed again and again: the agent and the server die at random bytes of it, then the machine is
//! gone, and another one has everything back. What the server was given is counted against what was needed.
//!
//! `ROZEN_FULL=1 tests/run kills_of_a_large_first_backup` runs it with 2 GiB, 20 kills of the agent and 5 of the server,
//! on the server of our own and on all that `ROZEN_S3_SERVERS` names; `ROZEN_KILLS_MIB`, `ROZEN_KILLS_AGENT` and
//! `ROZEN_KILLS_SERVER` change the sizes, `ROZEN_KILLS_ON` names the one server, `ROZEN_SEED` repeats.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use rozen::store::{S3Client, Store, StoreUrl};

use crate::common::machine::expect;
use crate::common::{Agent, Machine, Noise, assert_same, is_full, mixed, read_facts, scaled};
use crate::lab::read_journal;
use crate::proxy::{Proxy, Tally};
use crate::request::Part;
use crate::servers::Server;

/// So long may pass without a byte: runs that failed are tried again later and later.
const PATIENCE: Duration = Duration::from_secs(600);
/// Small objects (manifests, the index, settings) that a run leaves behind which died before it was done.
const SMALL: u64 = 1 << 20;

#[derive(Clone, Copy, PartialEq)]
enum Victim {
    Agent,
    Server,
}

#[test]
fn kills_of_a_large_first_backup_cost_only_what_was_on_its_way() {
    let mut noise = Noise::from_environment("kills of a large first backup");
    let source = Machine::new();
    let mib = size("ROZEN_KILLS_MIB", scaled(96, 2048));
    mixed::make(source.root(), mib, &mut noise);
    let needed = undisturbed(&source);
    let dir = tempfile::tempdir().unwrap();
    let mut servers = vec![Server::own(dir.path())];
    if is_full() {
        servers.append(&mut Server::others());
    }
    let only = std::env::var("ROZEN_KILLS_ON").ok();
    servers.retain(|server| only.as_ref().is_none_or(|only| *only == server.name));
    assert!(!servers.is_empty(), "{only:?} does not run");
    let rows: Vec<_> = servers.into_iter().map(|server| Story::tell(server, &source, needed, &mut noise)).collect();
    eprintln!("\n{mib} MiB of files; all other numbers in bytes\n\n{}{}", HEAD, rows.concat());
}

fn size(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// Of uploads that go on: parts that the server has acknowledged and the journal does not know.
fn without_receipt(machine: &Machine, tally: &Tally) -> u64 {
    let known = read_journal(machine, |journal| {
        let mut rows = journal.prepare("SELECT name, number FROM uploads LEFT JOIN parts ON upload = key")?;
        let rows = rows.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, Option<u32>>(1)?)))?;
        rows.collect::<rusqlite::Result<Vec<_>>>()
    });
    let known = known.unwrap_or_default();
    let is_open = |object: &str| known.iter().any(|(name, _)| object.ends_with(name));
    let has_receipt = |(object, number): &Part| {
        known.iter().any(|(name, receipt)| object.ends_with(name) && *receipt == Some(*number))
    };
    let parts = tally.parts.iter().filter(|(part, _)| is_open(&part.0) && !has_receipt(part));
    parts.map(|(_, bytes)| bytes).sum()
}

/// Bytes of all objects of a backup that nothing befalls.
fn undisturbed(source: &Machine) -> u64 {
    let machine = Machine::of(source.root());
    machine.init();
    machine.backup();
    machine.objects().iter().map(|(_, size)| size).sum()
}

struct Story {
    server: Server,
    proxy: Proxy,
    machine: Machine,
    /// Of the bucket, past the proxy; credentials included.
    direct: String,
    kills: [u64; 2],
    /// Bytes of parts that were acknowledged to an agent which died before it had written that down.
    without_receipt: u64,
}

impl Story {
    fn tell(server: Server, source: &Machine, needed: u64, noise: &mut Noise) -> String {
        eprintln!("on {}", server.name);
        let mut story = Self::begin(server, source);
        let start = Instant::now();
        story.first_backup(story.moments(needed, noise));
        let took = start.elapsed();
        let tally = story.proxy.tally();
        story.assert_another_machine_has_everything_back();
        story.assert_nothing_is_left_over();
        story.row(needed, &tally, took)
    }

    fn begin(server: Server, source: &Machine) -> Self {
        let (proxy, machine) = (Proxy::to(server.address), Machine::of(source.root()));
        let keys = machine.at("keys");
        fs::write(&keys, format!("{}\n{}\n", server.id, server.secret)).unwrap();
        fs::set_permissions(&keys, fs::Permissions::from_mode(0o600)).unwrap();
        let bucket = format!("large-{}", std::process::id());
        let url = |endpoint: &str| {
            format!("s3://{bucket}/backups?endpoint={endpoint}&region=us-east-1&credentials={}", keys.display())
        };
        let direct = url(&format!("http://{}", server.address));
        let StoreUrl::S3(address) = StoreUrl::parse(&direct).unwrap() else { panic!("{direct} is no bucket") };
        let client = S3Client::open(&address).unwrap();
        client.run(client.sdk().create_bucket().bucket(&bucket).send()).unwrap();
        machine.init_at(&url(&proxy.endpoint()));
        machine.configure("[run]\nsettle = \"100ms\"\nmax_delay = \"2s\"");
        Self { server, proxy, machine, direct, kills: [0; 2], without_receipt: 0 }
    }

    /// Who dies when so many bytes were received.
    fn moments(&self, needed: u64, noise: &mut Noise) -> Vec<(u64, Victim)> {
        let of_agent = size("ROZEN_KILLS_AGENT", scaled(4, 20));
        let of_server = size("ROZEN_KILLS_SERVER", scaled(2, 5)) * u64::from(self.server.outlives_a_kill());
        let victims = (0..of_agent).map(|_| Victim::Agent).chain((0..of_server).map(|_| Victim::Server));
        // the last bytes may be fewer than without kills: what is packed together is another
        let mut moments: Vec<_> = victims.map(|victim| (noise.below(needed / 100 * 97), victim)).collect();
        moments.sort_by_key(|(bytes, _)| *bytes);
        moments
    }

    fn first_backup(&mut self, moments: Vec<(u64, Victim)>) {
        let (machine, proxy, server) = (&self.machine, &self.proxy, &mut self.server);
        let mut agent = Agent::spawn(machine, None).patient(PATIENCE);
        for (bytes, victim) in moments {
            assert!(proxy.wait_until_received(bytes, PATIENCE), "stuck before {bytes}: {}", agent.log());
            match victim {
                Victim::Agent => {
                    agent.kill();
                    self.without_receipt += without_receipt(machine, &proxy.tally());
                    agent = Agent::spawn(machine, None).patient(PATIENCE);
                }
                Victim::Server => server.kill_and_restart(),
            }
            self.kills[victim as usize] += 1;
        }
        agent.settle();
        agent.stop();
        // an upload whose id got lost with the answer is found at the next start
        machine.backup();
    }

    /// With the address of the bucket, the keys to it and the recovery file, and nothing else.
    fn assert_another_machine_has_everything_back(&self) {
        let other = Machine::new();
        let to = other.at("everything");
        let command = |name: &str| {
            let mut command = other.rozenctl(name);
            command.args(["--repo", &self.direct, "--recovery"]).arg(self.machine.recovery());
            command
        };
        expect(command("restore").arg("latest").arg("--to").arg(&to), 0);
        assert_same(&read_facts(self.machine.root()), &read_facts(&to));
        expect(command("check").arg("--read-data"), 0);
    }

    fn store(&self) -> Store {
        Store::open(&StoreUrl::parse(&self.direct).unwrap()).unwrap()
    }

    fn assert_nothing_is_left_over(&self) {
        let spooled = fs::read_dir(self.machine.state().join("spool")).map_or(0, |dir| dir.count());
        assert_eq!(spooled, 0, "files in the spool");
        let uploads = self.store().list_uploads("").unwrap();
        // what became of an upload whose object is there is not known: it is left to the target
        let is_there = |name| self.store().head(name).unwrap().is_some();
        let lost: Vec<_> = uploads.iter().filter(|upload| !is_there(&upload.name)).collect();
        assert!(lost.is_empty(), "uploads that nobody ends: {lost:?}");
    }

    fn row(&self, needed: u64, tally: &Tally, took: Duration) -> String {
        let stored: u64 = self.store().list("").unwrap().iter().map(|object| object.size).sum();
        let surplus = tally.received.saturating_sub(stored);
        let on_their_way = tally.received - tally.acknowledged;
        let [agent, server] = self.kills;
        let (mut each, mut of_settings) = (Vec::new(), 0);
        for (name, count) in &tally.requests {
            // what no name was needed for: a new bucket is looked at once
            if name.contains(' ') { of_settings += count } else { each.push(format!("{name} {count}")) }
        }
        each.push(format!("settings of the bucket {of_settings}"));
        let row = format!(
            "| {} | {agent} | {server} | {needed} | {stored} | {} | {surplus} | {on_their_way} | {} | {} s | {} |\n",
            self.server.name,
            tally.received,
            self.without_receipt,
            took.as_secs(),
            each.join(", ")
        );
        eprintln!("{HEAD}{row}");
        let may_be = on_their_way + self.without_receipt + SMALL;
        assert!(surplus <= may_be, "{surplus} bytes more than stored, at most {may_be} had to be sent again");
        row
    }
}

const HEAD: &str = "\
| server | kills of the agent | of the server | needed, undisturbed | stored | received | surplus | lost on the way | without a receipt | took | requests |
|---|---|---|---|---|---|---|---|---|---|---|
";
