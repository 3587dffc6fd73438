//! A run in the foreground dies at every place where something is half done; the next one goes on, and nothing has to be
//! repaired by hand.

mod common;

use std::fs;
use std::os::unix::process::ExitStatusExt;

use common::{Machine, Noise, assert_same, read_facts};
use rozen::fault::POINTS;

const SIGABRT: i32 = 6;

/// Files enough for several packs and tree nodes.
fn machine() -> Machine {
    let machine = Machine::new();
    let mut noise = Noise::new(11);
    for i in 0..300 {
        let dir = machine.root().join(format!("d{}", i % 10));
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join(i.to_string()), noise.bytes(2000)).unwrap();
    }
    fs::write(machine.root().join("large"), noise.bytes(3 << 20)).unwrap();
    machine.init();
    machine
}

#[test]
fn a_run_that_died_anywhere_is_followed_by_one_that_is_right() {
    let (mut crashes, mut never_met) = (0, Vec::new());
    for (point, what) in POINTS {
        let met = [1, 3].map(|hit| dies_and_recovers(&format!("{point}:{hit}"), what));
        crashes += met.iter().filter(|met| **met).count();
        if !met[0] {
            never_met.push(point);
        }
    }
    eprintln!("{crashes} crashes at {} points", POINTS.len());
    assert!(never_met.is_empty(), "a run does not come by {never_met:?}");
}

/// Whether the point was met at all.
fn dies_and_recovers(crash_at: &str, what: &str) -> bool {
    let machine = machine();
    let died = crashing_backup(&machine, crash_at);
    fs::write(machine.root().join("d1/changed"), "after the crash").unwrap();
    fs::remove_file(machine.root().join("d2/2")).unwrap();
    machine.backup();
    let restored = machine.restore("latest", "restored");
    assert_same(&read_facts(machine.root()), &read_facts(&restored));
    let spooled = fs::read_dir(machine.state().join("spool")).map_or(0, |dir| dir.count());
    assert_eq!(spooled, 0, "{crash_at} ({what}) leaves files in the spool");
    for snapshot in machine.snapshots() {
        machine.restore(&snapshot["seq"].to_string(), &format!("restored-{}", snapshot["seq"]));
    }
    died
}

fn crashing_backup(machine: &Machine, crash_at: &str) -> bool {
    let out = machine.rozenctl("backup").arg("--once").env("ROZEN_CRASH_AT", crash_at).output().unwrap();
    let died = out.status.signal() == Some(SIGABRT);
    assert!(died || out.status.success(), "{crash_at}: {}", String::from_utf8_lossy(&out.stderr));
    died
}
