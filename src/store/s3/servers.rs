//! Real servers for tests: those that `tests/s3-servers` has left running. A bucket of its own for every test.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use super::{S3Address, S3Client};
use crate::store::{Store, StoreUrl};

/// Files of `KEY=VALUE` lines, separated by colons.
const VARIABLE: &str = "ROZEN_S3_SERVERS";

/// A server that is running.
pub(in crate::store) struct Server {
    /// As it calls itself: `ministack`, `radosgw`, …
    pub(in crate::store) name: String,
    endpoint: String,
    region: String,
    id: String,
    secret: String,
}

/// Runs `test` on each server with an empty bucket; says so when there is none.
pub(in crate::store) fn on_every_server(test: &str, run: impl Fn(&Server, Store, tempfile::TempDir)) {
    let servers = servers();
    if servers.is_empty() {
        eprintln!("skipped: {test} on S3 servers: {VARIABLE} names none (start some: tests/s3-servers start)");
    }
    for server in servers {
        eprintln!("{test} on {}", server.name);
        let dir = tempfile::tempdir().unwrap();
        let address = server.new_bucket(dir.path());
        let store = Store::open(&StoreUrl::S3(address)).unwrap();
        run(&server, store, dir);
    }
}

fn servers() -> Vec<Server> {
    let Some(files) = std::env::var_os(VARIABLE) else { return Vec::new() };
    std::env::split_paths(&files).filter(|path| !path.as_os_str().is_empty()).map(|path| Server::read(&path)).collect()
}

impl Server {
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
        }
    }

    /// The address of a bucket that nobody else has; its keys are in a file in `dir`.
    pub(in crate::store) fn new_bucket(&self, dir: &Path) -> S3Address {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let bucket = format!("rozen-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let address = self.address(&format!("{bucket}/some/prefix"), &self.keys(dir, &self.id, &self.secret), "");
        let client = S3Client::open(&address).unwrap();
        client.run(client.sdk().create_bucket().bucket(&bucket).send()).unwrap();
        address
    }

    pub(in crate::store) fn address(&self, place: &str, keys: &Path, more: &str) -> S3Address {
        let Self { endpoint, region, .. } = self;
        let url = format!("s3://{place}?endpoint={endpoint}&region={region}&credentials={}{more}", keys.display());
        match StoreUrl::parse(&url).unwrap() {
            StoreUrl::S3(address) => address,
            StoreUrl::Dir(_) => panic!("{url} is no bucket"),
        }
    }

    pub(in crate::store) fn keys(&self, dir: &Path, id: &str, secret: &str) -> std::path::PathBuf {
        let path = dir.join("keys");
        fs::write(&path, format!("{id}\n{secret}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }
}
