//! A server that takes all bytes and answers nothing: the run waits, holds no more memory and disk than it may, and ends right
//! when the answers come.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use crate::common::scaled;
use crate::lab::{Lab, PARTS_IN_FLIGHT};
use crate::s3fake::{Control, Fault, Rule, When};
use crate::skip;

const MIB: u64 = 1 << 20;
/// What a run may have.
const MOST_MEMORY_MIB: u64 = 256;
const PACK: u64 = 64 * MIB;
/// Packs that go up at the same time, and those that wait for them.
const GOING: u64 = 2;
const WAITING: u64 = 2;
/// One that is being filled, and one whose place in the row is not free yet.
const FILLING: u64 = 2;
/// Between two looks at a condition.
const PAUSE: Duration = Duration::from_millis(5);

#[test]
fn a_server_that_takes_bytes_and_never_answers_costs_a_run_no_more_memory_and_disk() {
    if peak_mib(std::process::id()).is_none() {
        skip!("this system does not tell the peak memory of a process");
    }
    let lab = Lab::new();
    write_noise(&lab.machine.root().join("huge"), scaled(5 * PACK, 24 * PACK));
    lab.server.inject(Rule::new("UploadPart", When::Always, Fault::HoldUntilCleared));
    let mut backup = lab.machine.rozenctl("backup");
    let quiet = backup.arg("--once").stdout(Stdio::null()).stderr(Stdio::inherit());
    let mut child = quiet.spawn().unwrap();
    let is_full = || lab.server.counts().held >= GOING * PARTS_IN_FLIGHT && spooled(&lab) >= (GOING + WAITING) * PACK;
    wait_until(&mut child, is_full);
    let stalled = peak_mib(child.id()).unwrap();
    assert!(spooled(&lab) <= (GOING + WAITING + FILLING) * PACK + MIB, "{} bytes in the spool", spooled(&lab));
    lab.server.clear_faults();
    let mut peak = stalled;
    while child.try_wait().unwrap().is_none() {
        peak = peak.max(peak_mib(child.id()).unwrap_or(0));
        std::thread::sleep(PAUSE);
    }
    assert!(child.wait().unwrap().success());
    eprintln!("peak memory: {stalled} MiB while nothing was answered, {peak} MiB at the end");
    assert!(peak <= MOST_MEMORY_MIB, "{peak} MiB, {stalled} MiB while nothing was answered");
    lab.assert_restores("a server that did not answer");
}

fn wait_until(child: &mut Child, reached: impl Fn() -> bool) {
    while !reached() {
        assert!(child.try_wait().unwrap().is_none(), "it ended though nothing was answered");
        std::thread::sleep(PAUSE);
    }
}

/// Nothing compresses it, and no piece of it comes twice.
fn write_noise(path: &Path, bytes: u64) {
    let mut noise = File::open("/dev/urandom").unwrap().take(bytes);
    assert_eq!(io::copy(&mut noise, &mut File::create(path).unwrap()).unwrap(), bytes);
}

/// Bytes of packs on the disk.
fn spooled(lab: &Lab) -> u64 {
    // files come and go
    let files = fs::read_dir(lab.machine.state().join("spool")).into_iter().flatten().flatten();
    files.filter_map(|file| file.metadata().ok()).map(|meta| meta.len()).sum()
}

/// `None` when the process has ended.
fn peak_mib(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? / 1024)
}
