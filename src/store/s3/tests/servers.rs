//! Servers for tests: the one of our own in this process, and those that `tests/s3-servers` has left running. Each test gets
//! a bucket of its own.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::s3fake::{ACCESS_KEY, S3Fake, SECRET_KEY};
use crate::store::s3::{S3Address, S3Client};
use crate::store::{Store, StoreUrl};

/// Files of `KEY=VALUE` lines, separated by colons.
const VARIABLE: &str = "ROZEN_S3_SERVERS";

/// A server that is running.
pub(in crate::store) struct Server {
    /// As it calls itself: `ministack`, `radosgw`, …; ours is `fake`.
    pub(in crate::store) name: String,
    endpoint: String,
    region: String,
    id: String,
    secret: String,
    /// Options of the address beside those that it needs.
    options: &'static str,
}

/// Servers that verify the CRC of a whole object made of parts.
const KNOW_CRC64: [&str; 2] = ["fake", "localstack"];
const CRC64: &str = "&checksum=crc64nvme";

/// Runs `test` on each server with an empty bucket, with both kinds of checksums where the server knows them.
pub(in crate::store) fn on_every_server(test: &str, run: impl Fn(&Server, Store, tempfile::TempDir)) {
    let fake = S3Fake::start();
    let mut servers = vec![Server::fake(&fake)];
    servers.extend(outside());
    if servers.len() == 1 {
        eprintln!("skipped: {test} on real S3 servers: {VARIABLE} names none (tests/s3-servers start)");
    }
    for server in &mut servers {
        let sums = if KNOW_CRC64.contains(&server.name.as_str()) { &["", CRC64][..] } else { &[""] };
        for options in sums {
            server.options = options;
            eprintln!("{test} on {}{options}", server.name);
            let dir = tempfile::tempdir().unwrap();
            let store = Store::open(&StoreUrl::S3(server.new_bucket(dir.path()))).unwrap();
            run(server, store, dir);
        }
    }
}

/// Runs `test` on the server that fails on demand.
pub(in crate::store) fn on_the_fake(run: impl Fn(&S3Fake, &Server, Store, tempfile::TempDir)) {
    for options in ["", CRC64] {
        let fake = S3Fake::start();
        let server = Server { options, ..Server::fake(&fake) };
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&StoreUrl::S3(server.new_bucket(dir.path()))).unwrap();
        run(&fake, &server, store, dir);
    }
}

/// The server that fails on demand, with an empty bucket; the directory holds its keys.
pub(in crate::store) fn a_bucket_of_the_fake() -> (S3Fake, S3Address, tempfile::TempDir) {
    let (fake, dir) = (S3Fake::start(), tempfile::tempdir().unwrap());
    let address = Server::fake(&fake).new_bucket(dir.path());
    (fake, address, dir)
}

fn outside() -> Vec<Server> {
    let Some(files) = std::env::var_os(VARIABLE) else { return Vec::new() };
    std::env::split_paths(&files).filter(|path| !path.as_os_str().is_empty()).map(|path| Server::read(&path)).collect()
}

impl Server {
    fn fake(fake: &S3Fake) -> Self {
        Self {
            name: "fake".to_owned(),
            endpoint: fake.endpoint(),
            region: "us-east-1".to_owned(),
            id: ACCESS_KEY.to_owned(),
            secret: SECRET_KEY.to_owned(),
            options: "",
        }
    }

    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{VARIABLE} names {path:?}: {error}"));
        let value = |key: &str| {
            let found = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
            found.unwrap_or_else(|| panic!("{path:?} has no {key}")).to_owned()
        };
        Self {
            name: value("S3_SERVER"),
            endpoint: value("S3_ENDPOINT"),
            region: value("S3_REGION"),
            id: value("AWS_ACCESS_KEY_ID"),
            secret: value("AWS_SECRET_ACCESS_KEY"),
            options: "",
        }
    }

    /// The address of a bucket that nobody else has; its keys are in the file `keys` in `dir`.
    pub(in crate::store) fn new_bucket(&self, dir: &Path) -> S3Address {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let bucket = format!("rozen-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let address = self.address(&format!("{bucket}/some/prefix"), &write_keys(dir, &self.id, &self.secret), "");
        let client = S3Client::open(&address).unwrap();
        client.run(client.sdk().create_bucket().bucket(&bucket).send()).unwrap();
        address
    }

    /// Says that the rest of a test is not asked of this server, and why. Ours knows everything.
    #[track_caller]
    pub(in crate::store) fn lacks(&self, why: &str) {
        assert_ne!(self.name, "fake", "{why}");
        eprintln!("left out: {}: {why}", self.name);
    }

    /// Of `bucket/prefix`, with more options if need be.
    pub(in crate::store) fn address(&self, place: &str, keys: &Path, more: &str) -> S3Address {
        let Self { endpoint, region, options, .. } = self;
        let url =
            format!("s3://{place}?endpoint={endpoint}&region={region}&credentials={}{options}{more}", keys.display());
        match StoreUrl::parse(&url).unwrap() {
            StoreUrl::S3(address) => address,
            StoreUrl::Dir(_) => panic!("{url} is no bucket"),
        }
    }
}

pub(in crate::store) fn write_keys(dir: &Path, id: &str, secret: &str) -> PathBuf {
    let path = dir.join("keys");
    fs::write(&path, format!("{id}\n{secret}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}
