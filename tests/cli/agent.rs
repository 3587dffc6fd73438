//! The agent and who talks to it.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::lab::{Lab, is_root, skipped};

fn quick() -> Lab {
    let lab = Lab::new();
    lab.init();
    let path = lab.path("rozen.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{text}\n[run]\nsettle = \"100ms\"\nmax_delay = \"1s\"\n")).unwrap();
    lab
}

fn is_up_to_date(status: &Value) -> bool {
    status["roots"][0]["up_to_date"] == true
}

fn snapshot(status: &Value) -> u64 {
    status["roots"][0]["last_snapshot"]["seq"].as_u64().unwrap_or(0)
}

#[test]
fn changes_are_stored_while_it_runs_and_after_it_was_killed() {
    let lab = quick();
    let agent = lab.agent();
    let first = snapshot(&lab.await_status("the first backup", is_up_to_date));
    lab.write("while/it/runs", b"new");
    let second = lab.await_status("the change", |status| is_up_to_date(status) && snapshot(status) > first);
    lab.assert_restores();
    agent.signal("-KILL");
    drop(agent);
    lab.write("while/it/was/away", b"newer");
    let agent = lab.agent();
    let before = snapshot(&second);
    lab.await_status("what was missed", |status| is_up_to_date(status) && snapshot(status) > before);
    lab.assert_restores();
    assert_eq!(agent.stop(), 0);
}

#[test]
fn a_hang_up_is_told_in_the_log_and_ends_nothing() {
    let lab = quick();
    let mut agent = lab.agent();
    agent.signal("-HUP");
    let mut log = BufReader::new(agent.child.stderr.take().unwrap()).lines().map_while(Result::ok);
    assert!(log.any(|line| line.contains("SIGHUP") && line.contains("configuration")), "no line about it");
    lab.ctl(&["backup", "--wait"]).expect(0);
    assert_eq!(agent.stop(), 0);
}

#[test]
fn a_first_signal_ends_a_status_that_is_watched() {
    let lab = quick();
    let agent = lab.agent();
    for (signal, json) in [("-INT", false), ("-TERM", true)] {
        let mut command = lab.command(env!("CARGO_BIN_EXE_rozenctl"));
        command.args(["status", "--watch"]).args(json.then_some("--json"));
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        // it watches once it has shown something
        assert_ne!(out.read_line(&mut String::new()).unwrap(), 0);
        let pid = child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
        std::io::copy(&mut out, &mut std::io::sink()).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(130));
    }
    assert_eq!(agent.stop(), 0);
}

#[test]
fn a_backup_that_is_asked_for_ends_with_its_answer() {
    let lab = quick();
    let agent = lab.agent();
    lab.await_status("the first backup", is_up_to_date);
    lab.write("asked", b"for");
    let told = lab.ctl(&["backup", "--wait"]).expect(0).out;
    assert!(told.starts_with("snapshot "), "{told}");
    lab.assert_restores();
    for args in [&["backup", "nonsense"][..], &["backup", "--accept", "nonsense"], &["backup", "--wait", "nonsense"]] {
        lab.ctl(args).expect(2).says(&["no folder `nonsense`"]);
    }
    lab.ctl(&["pause", "1h"]).expect(0);
    lab.ctl(&["backup", "nonsense"]).expect(2).says(&["no folder `nonsense`"]);
    for args in [&["backup"][..], &["backup", "--accept", "data"], &["backup", "--wait"]] {
        lab.ctl(args).expect(1).says(&["paused", "resume"]);
    }
    lab.ctl(&["resume"]).expect(0);
    lab.ctl(&["backup", "data"]).expect(0);
    lab.ctl(&["backup", "--wait", "--full", "data"]).expect(0);
    let told = lab.ctl(&["status"]).expect(0).out;
    assert!(told.contains("data") && told.contains("Safe:"), "{told}");
    assert_eq!(agent.stop(), 0);
}

#[test]
fn one_state_directory_has_one_process() {
    let lab = quick();
    let agent = lab.agent();
    lab.backup().expect(11).says(&["another process"]);
    let mut second = lab.command(env!("CARGO_BIN_EXE_rozend"));
    lab.run(&mut second, "").expect(11).says(&["another"]);
    assert_eq!(agent.stop(), 0);
    lab.backup().expect(0);
}

#[test]
fn without_an_agent_its_commands_say_how_to_start_it() {
    let lab = quick();
    for args in [&["status"][..], &["backup"], &["backup", "--wait"], &["pause"], &["resume"], &["status", "--watch"]] {
        lab.ctl(args).expect(4).says(&["not running", "rozend"]);
    }
}

#[test]
fn garbage_at_the_socket_harms_nobody() {
    let lab = quick();
    let agent = lab.agent();
    let socket = lab.path("state/run/rozend.sock");
    for garbage in
        [&b"\0\xff\n"[..], b"[[[[[\n", b"{\"id\":1,\"method\":\"rm -rf\"}\n", b"GET / HTTP/1.1\r\n\r\n", b"no end"]
    {
        let mut stream = UnixStream::connect(&socket).unwrap();
        stream.write_all(garbage).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let lines: Vec<String> = BufReader::new(stream).lines().map_while(Result::ok).collect();
        assert!(lines[0].contains("\"rozen\""), "{lines:?}");
    }
    lab.ctl(&["backup", "--wait"]).expect(0);
    assert_eq!(agent.stop(), 0);
}

#[test]
fn a_target_that_goes_away_is_told_and_used_again_when_it_is_back() {
    let lab = quick();
    let agent = lab.agent();
    lab.await_status("the first backup", is_up_to_date);
    fs::rename(lab.path("repo"), lab.path("away")).unwrap();
    lab.write("meanwhile", b"x");
    lab.ctl(&["backup", "--wait", "--full"]).expect(1);
    let told = lab.await_status("the outage", |status| status["target"]["state"] == "down");
    assert!(told["problems"][0]["remedy"].as_str().is_some_and(|remedy| !remedy.is_empty()), "{told}");
    lab.ctl(&["status"]).expect(3);
    fs::rename(lab.path("away"), lab.path("repo")).unwrap();
    lab.ctl(&["backup", "--wait"]).expect(0);
    lab.assert_restores();
    assert_eq!(agent.stop(), 0);
}

#[test]
fn a_disk_that_is_unmounted_is_a_question_and_never_a_deletion() {
    let lab = quick();
    fs::rename(lab.root(), lab.path("kept")).unwrap();
    fs::create_dir(lab.root()).unwrap();
    let mount = |args: &[&str]| Command::new("mount").args(args).arg(lab.root()).status().is_ok_and(|s| s.success());
    if !is_root() || !mount(&["-t", "tmpfs", "tmpfs"]) {
        return skipped("mounting needs root and a kernel that lets us");
    }
    lab.write("on the disk", b"x");
    let agent = lab.agent();
    let first = snapshot(&lab.await_status("the first backup", is_up_to_date));
    assert!(Command::new("umount").arg("--lazy").arg(lab.root()).status().unwrap().success());
    lab.await_status("the question", |status| status["roots"][0]["state"]["is"] == "unavailable");
    lab.ctl(&["backup", "--wait"]).expect(1);
    assert_eq!(agent.stop(), 0);
    let done = lab.backup().expect(1);
    assert!(done.err.contains("not mounted") && !done.err.contains("everything else"), "{}", done.err);
    let listed = lab.ctl(&["snapshots", "--json", "--recovery", "recovery.txt"]).expect(0).out;
    let last: Value = serde_json::from_str(listed.lines().last().unwrap()).unwrap();
    assert_eq!(last["seq"].as_u64(), Some(first));
    assert!(lab.ctl(&["cat", "latest", "on the disk", "--recovery", "recovery.txt"]).expect(0).out == "x");
}

#[test]
fn a_folder_that_is_meant_to_be_another_one_is_accepted_without_stopping_the_agent() {
    let lab = quick();
    let agent = lab.agent();
    let first = snapshot(&lab.await_status("the first backup", is_up_to_date));
    fs::rename(lab.root(), lab.path("kept")).unwrap();
    fs::create_dir(lab.root()).unwrap();
    let asks = |status: &Value| status["roots"][0]["state"]["is"] == "unavailable";
    lab.await_status("the question", asks);
    lab.ctl(&["backup", "--wait"]).expect(1).says(&["--accept"]);
    lab.ctl(&["backup", "--accept", "nonsense", "--wait"]).expect(2).says(&["no folder `nonsense`"]);
    lab.ctl(&["backup", "--accept", "data", "--wait"]).expect(0);
    let status = lab.await_status("the folder as it is", |status| snapshot(status) > first);
    assert_eq!(status["roots"][0]["entries"], 1, "an empty folder");
    lab.write("new", b"in the new folder");
    lab.await_status("what came into it", |status| is_up_to_date(status) && status["roots"][0]["entries"] == 2);
    lab.assert_restores();
    assert_eq!(agent.stop(), 0);
}

#[test]
fn who_waits_for_a_backup_hears_of_a_folder_that_is_away_and_it_is_found_again_at_once() {
    let lab = quick();
    let (there, away) = (lab.path("second"), lab.path("moved"));
    fs::create_dir(&there).unwrap();
    fs::write(there.join("x"), b"x").unwrap();
    let config = lab.path("rozen.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, format!("{text}\n[[root]]\nid = \"second\"\npath = {there:?}\n")).unwrap();
    let agent = lab.agent();
    lab.ctl(&["backup", "--wait"]).expect(0);
    fs::rename(&there, &away).unwrap();
    for flags in [&["backup", "--wait"][..], &["backup", "--wait"], &["backup", "--wait", "--full"]] {
        let told = lab.ctl(flags).expect(3);
        assert!(!told.out.contains("everything is stored") && told.err.contains("second"), "{told:?}");
    }
    fs::rename(&away, &there).unwrap();
    lab.ctl(&["backup", "--wait"]).expect(0);
    assert_eq!(agent.stop(), 0);
}
