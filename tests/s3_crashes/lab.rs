//! A machine that backs up to a bucket of the S3 in this process.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::common::machine::expect;
use crate::common::{Machine, Noise, assert_same, read_facts};
use crate::s3fake::{ACCESS_KEY, Contents, Control, Counts, Fault, Received, Rule, S3Fake, SECRET_KEY, When};

const BUCKET: &str = "bucket";
const PREFIX: &str = "some/prefix";
/// As the program cuts large packs for S3.
pub const PART: u64 = 16 << 20;
pub const PARTS_IN_FLIGHT: u64 = 4;
const SIGABRT: i32 = 6;
/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks at a condition.
const PAUSE: Duration = Duration::from_millis(5);

pub struct Lab<S = S3Fake> {
    pub server: S,
    pub machine: Machine,
    noise: Noise,
}

impl Lab {
    /// Set up, nothing stored. One pack goes by three parts, the rest whole.
    pub fn new() -> Self {
        let server = S3Fake::start();
        let endpoint = server.endpoint();
        Self::on(server, &endpoint)
    }
}

impl<S: Control> Lab<S> {
    /// As [`Lab::new`], on a server that is empty.
    pub fn on(server: S, endpoint: &str) -> Self {
        server.make_bucket(BUCKET);
        let mut lab = Self { server, machine: Machine::new(), noise: Noise::new(5) };
        lab.write_large();
        for i in 0..20 {
            let bytes = lab.noise.bytes(3000);
            fs::write(lab.machine.root().join(i.to_string()), bytes).unwrap();
        }
        let keys = lab.machine.at("keys");
        fs::write(&keys, format!("{ACCESS_KEY}\n{SECRET_KEY}\n")).unwrap();
        fs::set_permissions(&keys, fs::Permissions::from_mode(0o600)).unwrap();
        let options = format!("region=us-east-1&credentials={}&checksum=crc64nvme", keys.display());
        lab.machine.init_at(&format!("s3://{BUCKET}/{PREFIX}?endpoint={endpoint}&{options}"));
        lab.server.reset_counts();
        lab
    }

    /// Other bytes than ever before, for a pack of three parts.
    pub fn write_large(&mut self) {
        let bytes = self.noise.bytes(34 << 20);
        fs::write(self.machine.root().join("large"), bytes).unwrap();
    }

    pub fn change(&self) {
        let root = self.machine.root();
        fs::write(root.join("changed"), "after the crash").unwrap();
        fs::remove_file(root.join("2")).unwrap();
    }

    pub fn order(&self, operation: &str, nth: u64, fault: Fault) {
        self.server.inject(Rule::new(operation, When::Nth(nth), fault));
    }

    /// Runs until it ends or until the condition holds; then it is killed. Whether it was killed.
    pub fn backup_killed_when(&self, reached: impl Fn(&Self) -> bool) -> bool {
        let mut backup = self.machine.rozenctl("backup");
        let quiet = backup.arg("--once").stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = quiet.spawn().unwrap();
        while !reached(self) {
            if child.try_wait().unwrap().is_some() {
                return false;
            }
            std::thread::sleep(PAUSE);
        }
        kill(&mut child);
        true
    }

    /// Dies at a fault point of the program. Whether it came by.
    pub fn backup_crashing_at(&self, crash_at: &str) -> bool {
        let out = self.machine.rozenctl("backup").arg("--once").env("ROZEN_CRASH_AT", crash_at).output().unwrap();
        let died = out.status.signal() == Some(SIGABRT);
        assert!(died || out.status.success(), "{crash_at}: {}", said(&out));
        died
    }

    /// The next run is right: the newest snapshot is the source, every other one can be restored, nothing is left over.
    pub fn assert_recovers(&self, after: &str) {
        self.machine.backup();
        self.assert_restores(after);
        for snapshot in self.machine.snapshots() {
            self.machine.restore(&snapshot["seq"].to_string(), &format!("restored-{}", snapshot["seq"]));
        }
        let spooled = fs::read_dir(self.machine.state().join("spool")).map_or(0, |dir| dir.count());
        assert_eq!(spooled, 0, "{after}: files in the spool");
        self.assert_no_uploads(after);
    }

    pub fn assert_no_uploads(&self, after: &str) {
        // what became of an upload whose object is there is not known: it is left to the target
        let mut contents = self.contents();
        contents.uploads.retain(|key| !contents.objects.contains_key(key));
        assert_eq!(contents.uploads, [""; 0], "{after}: uploads that nobody ends");
    }

    pub fn assert_restores(&self, after: &str) {
        eprintln!("restoring after {after}");
        let to = format!("restored after {}", after.replace('/', "-"));
        let restored = self.machine.restore("latest", &to);
        assert_same(&read_facts(self.machine.root()), &read_facts(&restored));
        fs::remove_dir_all(restored).unwrap();
    }

    pub fn contents(&self) -> Contents {
        self.server.contents(BUCKET)
    }

    /// Bytes of objects that came more often than once.
    pub fn sent_twice(&self) -> u64 {
        let (counts, contents) = (self.server.counts(), self.contents());
        let received = |key: &str| {
            let object = format!("{BUCKET}/{key}");
            counts.received.iter().filter(|row| row.object == object).map(|row| row.bytes).sum::<u64>()
        };
        contents.objects.iter().map(|(key, size)| received(key).saturating_sub(*size)).sum()
    }

    /// Bytes of objects that were begun and never became one.
    pub fn sent_in_vain(&self) -> u64 {
        let (counts, contents) = (self.server.counts(), self.contents());
        let key = |object: &str| object.strip_prefix(&format!("{BUCKET}/")).unwrap().to_owned();
        let lost = counts.received.iter().filter(|row| !contents.objects.contains_key(&key(&row.object)));
        lost.map(|row| row.bytes).sum()
    }

    /// Parts with a receipt in the machine's journal, and their bytes.
    pub fn receipts(&self) -> (u64, u64) {
        self.in_journal("SELECT count(*), coalesce(sum(size), 0) FROM parts")
    }

    /// Until the server has read all that a dead client has sent; a connection that stalls on purpose is never read.
    fn wait_for_the_wire(&self) {
        let is_busy = |counts: Counts| counts.open > counts.faults.get("Stall").copied().unwrap_or(0);
        let start = Instant::now();
        while is_busy(self.server.counts()) {
            assert!(start.elapsed() < PATIENCE, "a connection of a dead client does not end");
            std::thread::sleep(PAUSE);
        }
    }

    /// Bytes that the server has received of parts that were cut off: all that may be sent again. A short last part counts as
    /// cut off, whether it was or not.
    pub fn on_their_way(&self) -> u64 {
        self.wait_for_the_wire();
        let (uploads, _) = self.in_journal("SELECT count(*), 0 FROM uploads");
        let received = self.server.counts().received;
        let is_cut = |row: &&Received| row.part > 0 && !row.bytes.is_multiple_of(PART);
        // the row of an upload ends with it
        if uploads > 0 { received.iter().filter(is_cut).map(|row| row.bytes).sum() } else { 0 }
    }

    fn in_journal(&self, query: &str) -> (u64, u64) {
        let found =
            read_journal(&self.machine, |journal| journal.query_row(query, [], |row| Ok((row.get(0)?, row.get(1)?))));
        found.unwrap_or((0, 0))
    }
}

/// The program keeps its journal to itself: a copy is read. Nothing where there is none yet.
pub fn read_journal<T>(machine: &Machine, read: impl Fn(&Connection) -> rusqlite::Result<T>) -> Option<T> {
    let copy = tempfile::tempdir().unwrap();
    for name in ["journal.db", "journal.db-wal"] {
        // not there yet, or no more
        let _ = fs::copy(machine.state().join(name), copy.path().join(name));
    }
    read(&Connection::open(copy.path().join("journal.db")).ok()?).ok()
}

/// For messages: `PutObject 3, UploadPart 4`.
pub fn requests(counts: &Counts) -> String {
    let each = counts.requests.iter().map(|(name, count)| format!("{name} {count}"));
    each.collect::<Vec<_>>().join(", ")
}

pub fn said(out: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr))
}

/// It must succeed.
pub fn backup(machine: &Machine) {
    expect(machine.rozenctl("backup").args(["--once", "--json"]), 0);
}

fn kill(child: &mut Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}
