//! Ctrl-C and SIGTERM: commands end soon, and say so by their exit code.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::lab::{Lab, noise};

const PATIENCE: Duration = Duration::from_secs(30);

fn signal(child: &Child, signal: &str) {
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
}

/// Its exit code; it must end by itself.
#[track_caller]
fn ended(child: &mut Child) -> Option<i32> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        if start.elapsed() > PATIENCE {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("it goes on");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn lab_with_a_large_file() -> Lab {
    let lab = Lab::new();
    lab.init();
    lab.write("large", &noise(5_000_000, 7));
    lab.backup().expect(0);
    lab
}

/// After its first byte, which it is waited for; the rest is never read.
#[track_caller]
fn code_of_cat_after(lab: &Lab, name: &str, flags: &[&str]) -> Option<i32> {
    let mut command = lab.command(env!("CARGO_BIN_EXE_rozenctl"));
    command.args(["cat", "latest", "large", "--recovery", "recovery.txt"]).args(flags);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut byte = [0];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut byte).unwrap();
    signal(&child, name);
    ended(&mut child)
}

#[test]
fn what_only_prints_ends_at_once_though_nobody_reads_it() {
    let lab = lab_with_a_large_file();
    for name in ["-INT", "-TERM"] {
        assert_eq!(code_of_cat_after(&lab, name, &[]), Some(130), "{name}");
        assert_eq!(code_of_cat_after(&lab, name, &["--limit-download", "2MiB/s"]), Some(130), "{name}, with a limit");
    }
}

/// How many objects of a kind the repository's only machine has.
fn stored(lab: &Lab, folder: &str) -> usize {
    let machine = fs::read_dir(lab.path("repo/machines")).unwrap().next().unwrap().unwrap().path();
    if machine.join(folder).exists() { lab.objects(folder).len() } else { 0 }
}

#[test]
fn a_backup_with_a_limit_is_stopped_and_goes_on_the_next_time() {
    let lab = Lab::new();
    lab.init();
    (0..4).for_each(|number| lab.write(&format!("large-{number}"), &noise(30_000_000, number)));
    let mut command = lab.command(env!("CARGO_BIN_EXE_rozenctl"));
    command.args(["backup", "--once", "--limit-upload", "1MiB/s"]).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    while stored(&lab, "packs") == 0 {
        assert!(child.try_wait().unwrap().is_none(), "it has ended");
        std::thread::sleep(Duration::from_millis(20));
    }
    let before = stored(&lab, "packs");
    signal(&child, "-INT");
    assert_eq!(ended(&mut child), Some(130));
    assert_eq!(stored(&lab, "packs"), before, "nothing new is sent");
    assert_eq!(stored(&lab, "snapshots"), 0);
    lab.backup().expect(0);
    lab.assert_restores();
}

#[test]
fn who_waits_for_a_secret_from_a_pipe_is_interrupted_at_once() {
    use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat, open};
    let lab = Lab::new();
    lab.init();
    let pipe = lab.path("pipe");
    mknodat(CWD, &pipe, FileType::Fifo, 0o600.into(), 0).unwrap();
    for flags in [&["--recovery", "pipe"][..], &["--recovery", "recovery.txt", "--passphrase-file", "pipe"]] {
        for name in ["-INT", "-TERM"] {
            let mut command = lab.command(env!("CARGO_BIN_EXE_rozenctl"));
            let mut child = command.arg("snapshots").args(flags).stderr(Stdio::null()).spawn().unwrap();
            let writer = loop {
                // only where somebody waits for it
                match open(&pipe, OFlags::WRONLY | OFlags::NONBLOCK, Mode::empty()) {
                    Ok(writer) => break writer,
                    Err(_) => assert!(child.try_wait().unwrap().is_none(), "it has ended"),
                }
                std::thread::sleep(Duration::from_millis(20));
            };
            signal(&child, name);
            assert_eq!(ended(&mut child), Some(130), "{name} {flags:?}");
            drop(writer);
        }
    }
}
