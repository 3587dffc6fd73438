//! The real programs and a bucket with classes that must be thawed.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rozen::model::{ObjectHash, StorageClass};
use rozen::store::{Listed, Store, StoreUrl, ThawTier};
use serde_json::json;

use crate::common::machine::{self, expect, text};
use crate::common::{Agent, Machine, Noise, assert_same, read_facts};
use crate::s3fake::{ACCESS_KEY, Control, S3Fake, SECRET_KEY};

/// A machine whose folder is to be in DEEP_ARCHIVE.
pub struct Bucket {
    pub server: S3Fake,
    pub machine: Machine,
    url: String,
    noise: Noise,
    files: usize,
}

impl Bucket {
    /// With more tables of the configuration.
    pub fn new(tables: &str) -> Self {
        let (server, machine) = (S3Fake::start(), Machine::new());
        server.make_bucket("bucket");
        let keys = machine.at("keys");
        fs::write(&keys, format!("{ACCESS_KEY}\n{SECRET_KEY}\n")).unwrap();
        fs::set_permissions(&keys, fs::Permissions::from_mode(0o600)).unwrap();
        let options = format!("region=us-east-1&credentials={}&checksum=crc64nvme", keys.display());
        let url = format!("s3://bucket?endpoint={}&{options}", server.endpoint());
        machine.init_at(&url);
        let config = machine.at("rozen.toml");
        let whole = fs::read_to_string(&config).unwrap().replace("[[root]]", "[[root]]\nclass = \"DEEP_ARCHIVE\"");
        fs::write(&config, format!("{whole}\n{tables}\n")).unwrap();
        Self { server, machine, url, noise: Noise::new(9), files: 0 }
    }

    /// A new file of `bytes`.
    pub fn write(&mut self, bytes: usize) {
        self.files += 1;
        fs::write(self.machine.root().join(self.files.to_string()), self.noise.bytes(bytes)).unwrap();
    }

    fn store(&self) -> Store {
        Store::open(&StoreUrl::parse(&self.url).unwrap()).unwrap()
    }

    /// Packs of content.
    pub fn packs(&self) -> Vec<Listed> {
        let mut all = self.store().list("machines/").unwrap();
        all.retain(|object| object.name.as_str().contains("/packs/"));
        all
    }

    pub fn packs_by_class(&self) -> BTreeMap<StorageClass, usize> {
        let mut classes = BTreeMap::new();
        self.packs().iter().for_each(|pack| *classes.entry(pack.class).or_default() += 1);
        classes
    }

    pub fn superseded(&self) -> Vec<ObjectHash> {
        let mut hashes = self.journal("SELECT hash FROM packs WHERE superseded_by IS NOT NULL", |row| row.get(0));
        hashes.sort();
        hashes.into_iter().map(ObjectHash).collect()
    }

    /// While no program runs. Without the lock on the journal, which children of other tests would inherit for a moment.
    pub fn journal<T>(&self, query: &str, row: impl Fn(&rusqlite::Row<'_>) -> rusqlite::Result<T>) -> Vec<T> {
        let journal = rusqlite::Connection::open(self.machine.state().join("journal.db")).unwrap();
        let mut statement = journal.prepare(query).unwrap();
        statement.query_map([], |found| row(found)).unwrap().map(Result::unwrap).collect()
    }

    /// As a prune would, one day.
    fn remove(&self, packs: &[ObjectHash]) {
        let store = self.store();
        for pack in self.packs() {
            if packs.iter().any(|hash| pack.name.as_str().ends_with(&hash.to_string())) {
                store.delete(&pack.name).unwrap();
            }
        }
    }

    /// Without a thaw: what waits, and what was superseded, reads at once.
    pub fn assert_restores(&self, after: &str) {
        let to = self.machine.at(&format!("after {after}").replace('/', "-"));
        expect(self.machine.restore_command("latest").arg("--to").arg(&to), 0);
        self.assert_is_the_folder(&to);
        assert_eq!(self.server.counts().of("RestoreObject"), 0, "{after}");
        let spooled = fs::read_dir(self.machine.state().join("spool")).map_or(0, |dir| dir.count());
        assert_eq!(spooled, 0, "{after}: files in the spool");
    }

    /// All that is archived.
    fn thaw(&self) {
        let store = self.store();
        for pack in self.packs().iter().filter(|pack| !pack.class.reads_at_once()) {
            store.thaw(&pack.name, ThawTier::Bulk, 7).unwrap();
        }
        self.server.advance(49 * 3600);
    }

    fn assert_is_the_folder(&self, to: &Path) {
        assert_same(&read_facts(self.machine.root()), &read_facts(to));
        fs::remove_dir_all(to).unwrap();
    }
}

#[test]
fn many_small_runs_into_an_archive_become_one_pack_that_is_thawed_and_restored() {
    let mut bucket = Bucket::new("[archive]\nmerge_at = \"1MiB\"");
    for waiting in 1..20 {
        bucket.write(52_000);
        assert_eq!(bucket.machine.backup()["merged"], json!([]));
        assert_eq!(bucket.packs_by_class(), BTreeMap::from([(StorageClass::Standard, waiting)]));
    }
    bucket.assert_restores("19 runs");

    bucket.write(52_000);
    let run = bucket.machine.backup();
    assert_eq!((&run["merged"][0]["class"], &run["merged"][0]["packs"]), (&json!("DEEP_ARCHIVE"), &json!(20)), "{run}");
    let classes = [(StorageClass::Standard, 20), (StorageClass::DeepArchive, 1)];
    assert_eq!(bucket.packs_by_class(), BTreeMap::from(classes));
    bucket.assert_restores("the merge");

    // what was merged is known again when the local state is lost
    let superseded = bucket.superseded();
    assert_eq!(superseded.len(), 20);
    fs::remove_dir_all(bucket.machine.state()).unwrap();
    bucket.machine.backup();
    assert_eq!(bucket.superseded(), superseded);
    bucket.assert_restores("a lost state");

    // without the small ones only a thaw brings it back
    bucket.remove(&superseded);
    let to = bucket.machine.at("thawed");
    let restore = || {
        let mut restore = bucket.machine.restore_command("latest");
        restore.arg("--to").arg(&to);
        restore
    };
    let refused = expect(&mut restore(), 2);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("--yes --tier bulk"), "{said}");
    bucket.thaw();
    expect(&mut restore(), 0);
    bucket.assert_is_the_folder(&to);
}

#[test]
fn what_waits_and_what_was_merged_is_told_by_the_agent_and_by_the_bill() {
    let mut bucket = Bucket::new("[archive]\nmerge_at = \"1MiB\"\n\n[run]\nsettle = \"100ms\"");
    bucket.write(400_000);
    bucket.machine.backup();
    let prices = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cost/prices/2026-07-us-east-1.toml");
    let cost = || {
        let mut cost = bucket.machine.rozenctl("cost");
        cost.arg("--prices").arg(&prices);
        cost
    };
    let bill = machine::json(&expect(cost().arg("--json"), 0));
    let waiting = &bill["arena"][0];
    assert_eq!((&waiting["class"], &waiting["packs"]), (&json!("DEEP_ARCHIVE"), &json!(1)), "{bill}");
    assert!(waiting["merge_at_bytes"] == 1 << 20 && waiting["merge_from"].is_string(), "{bill}");
    let page = text(&expect(&mut cost(), 0));
    assert!(page.contains("1 small pack for DEEP_ARCHIVE") && page.contains("merged at 1.0 MiB, or from 20"), "{page}");

    let mut agent = Agent::start(&bucket.machine);
    agent.wait_for("what waits", |status| status["arena"][0]["packs"] == 1);
    fs::write(bucket.machine.root().join("more"), Noise::new(5).bytes(700_000)).unwrap();
    let status = agent.wait_for("what was merged", |status| status["last_merge"].is_string());
    let told = status["last_merge"].as_str().unwrap();
    assert!(told.contains("small packs into one of") && told.ends_with("in DEEP_ARCHIVE"), "{told}");
    assert_eq!(status["arena"], json!([]));
    agent.stop();
    assert!(fs::read_to_string(bucket.machine.at("agent.log")).unwrap().contains("small packs are merged"));
}
