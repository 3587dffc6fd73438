//! From nothing to a backup and back.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use crate::lab::{Done, Lab, assert_same, is_root, skipped};

#[test]
fn what_was_backed_up_comes_back_on_another_computer() {
    let lab = Lab::new();
    let told = lab.init().out;
    assert!(told.contains("recovery.txt") && told.contains("rozen.toml"), "{told}");
    for secret in ["rozen.key", "recovery.txt"] {
        assert_eq!(fs::metadata(lab.path(secret)).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert!(lab.backup().expect(0).out.starts_with("snapshot 1:"));
    assert!(lab.backup().expect(0).out.starts_with("nothing has changed"));
    lab.assert_restores();
    lab.write("docs/new", b"third");
    fs::remove_file(lab.root().join("a.txt")).unwrap();
    assert!(lab.backup().expect(0).out.starts_with("snapshot 2:"));
    lab.assert_restores();
}

#[test]
fn the_machine_alone_cannot_read_and_says_so() {
    let lab = Lab::new();
    lab.init();
    lab.backup().expect(0);
    for command in [&["snapshots"][..], &["ls", "latest"], &["restore", "latest", "--to", "out"], &["check"]] {
        lab.ctl(command).expect(12).says(&["cannot read its own backups", "--recovery"]);
    }
    lab.ctl(&["snapshots", "--recovery", "rozen.key"]).expect(12).says(&["not a recovery file"]);
}

#[test]
fn snapshots_can_be_looked_into() {
    let lab = Lab::new();
    lab.init();
    lab.backup().expect(0);
    lab.write("docs/b.txt", b"second, changed");
    lab.backup().expect(0);
    let ask = |args: &[&str]| lab.ctl(&[args, &["--recovery", "recovery.txt"]].concat()).expect(0).out;
    assert_eq!(ask(&["snapshots"]).lines().count(), 3);
    assert!(ask(&["ls", "latest"]).contains("a.txt"));
    assert!(ask(&["ls", "1", "docs", "-r"]).contains("c.bin"));
    assert!(ask(&["find", "*.bin"]).contains("docs/deep/c.bin"));
    assert_eq!(ask(&["cat", "1", "docs/b.txt"]), "second");
    assert_eq!(ask(&["cat", "latest", "data:docs/b.txt"]), "second, changed");
    assert!(ask(&["diff", "1"]).starts_with("M "));
    assert_eq!(ask(&["history", "docs/b.txt"]).lines().count(), 2);
    assert!(ask(&["check", "--read-data"]).contains("no damage found"));
    let entry: serde_json::Value = serde_json::from_str(ask(&["ls", "1", "a.txt", "--json"]).trim()).unwrap();
    assert_eq!((&entry["type"], &entry["size"]), (&"file".into(), &5.into()));
    assert!(entry["btime"].is_string() || entry["btime"].is_null());
}

#[test]
fn a_lost_configuration_is_made_anew_and_the_machine_stays_the_same() {
    let lab = Lab::new();
    lab.init();
    lab.backup().expect(0);
    fs::remove_file(lab.path("rozen.toml")).unwrap();
    let told = lab.ctl(&["init", "--repo", "repo", "--root", "data"]).expect(0).out;
    assert!(told.contains("kept as it was") && !told.contains("recovery code"), "{told}");
    assert!(lab.backup().expect(0).out.starts_with("nothing has changed"));
}

#[test]
fn another_machine_joins_with_the_recovery_file() {
    let lab = Lab::new();
    lab.init();
    lab.backup().expect(0);
    let other = Lab::new();
    other.write("own", b"of the other");
    let (repo, recovery) = (lab.path("repo"), lab.path("recovery.txt"));
    let (repo, recovery) = (repo.to_str().unwrap(), recovery.to_str().unwrap());
    other.ctl(&["init", "--repo", repo, "--root", "data"]).expect(1).says(&["already is a repository", "--recovery"]);
    other.ctl(&["init", "--repo", repo, "--root", "data", "--recovery", recovery]).expect(0);
    other.backup().expect(0);
    let read = |extra: &[&str]| {
        let args = ["restore", "latest", "--repo", repo, "--recovery", recovery, "--to", "out"];
        other.elsewhere(&[&args, extra].concat(), "")
    };
    read(&[]).expect(2).says(&["several machines", "--machine"]);
    read(&["--machine", "zz"])
        .expect(2)
        .says(&["no machine begins with zz", "`rozenctl snapshots` lists the machines"]);
    // with its own configuration a machine means itself
    other.ctl(&["restore", "latest", "--recovery", recovery, "--to", "own"]).expect(0);
    assert_same(&other.root(), &other.path("own"));
    lab.assert_same_machine(repo, recovery);
}

impl Lab {
    fn assert_same_machine(&self, repo: &str, recovery: &str) {
        self.ctl(&["restore", "latest", "--repo", repo, "--recovery", recovery, "--to", "again"]).expect(0);
        assert_same(&self.root(), &self.path("again"));
    }
}

#[test]
fn a_passphrase_protects_the_recovery_file() {
    let lab = Lab::new();
    fs::write(lab.path("pass"), "correct horse\n").unwrap();
    fs::write(lab.path("wrong"), "battery staple\n").unwrap();
    let init = ["init", "--repo", "repo", "--root", "data", "--recovery-out", "recovery.txt"];
    lab.ctl(&[&init[..], &["--passphrase-file", "pass"]].concat()).expect(0);
    lab.backup().expect(0);
    let snapshots = ["snapshots", "--recovery", "recovery.txt"];
    lab.ctl(&snapshots).expect(12).says(&["passphrase"]);
    lab.ctl(&[&snapshots[..], &["--passphrase-file", "wrong"]].concat()).expect(12).says(&["passphrase is wrong"]);
    lab.ctl(&[&snapshots[..], &["--passphrase-file", "pass"]].concat()).expect(0);
}

#[test]
fn the_code_that_is_shown_opens_the_backups() {
    let lab = Lab::new();
    let told = lab.ctl(&["init", "--repo", "repo", "--root", "data"]).expect(0).out;
    lab.backup().expect(0);
    let code: String = told.lines().filter(|line| line.starts_with("    ") && line.contains('-')).take(2).collect();
    let args = ["restore", "latest", "--repo", "repo", "--recovery", "-", "--to", "out"];
    lab.elsewhere(&args, &code.to_lowercase()).expect(0);
    assert_same(&lab.root(), &lab.path("out"));
    let mut wrong = code.trim().to_owned();
    let other = if wrong.starts_with('0') { "1" } else { "0" };
    wrong.replace_range(0..1, other);
    lab.elsewhere(&args, &wrong).expect(12).says(&["group 1"]);
}

#[test]
fn a_secret_of_another_repository_is_a_wrong_key() {
    let (lab, other) = (Lab::new(), Lab::new());
    lab.init();
    other.init();
    lab.backup().expect(0);
    let recovery = other.path("recovery.txt");
    let args = ["snapshots", "--recovery", recovery.to_str().unwrap()];
    lab.ctl(&args).expect(12).says(&["does not belong"]);
}

/// Runs it until it has said this, then does what Ctrl-C does.
fn interrupted_after(command: &mut Command, said: &str) -> Done {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut out = String::new();
    for line in lines.by_ref() {
        out += &format!("{line}\n");
        if line.contains(said) {
            break;
        }
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    lines.for_each(|line| out += &format!("{line}\n"));
    let ended = child.wait_with_output().unwrap();
    let err = String::from_utf8_lossy(&ended.stderr).into_owned();
    Done { code: ended.status.code().unwrap_or(-1), out, err }.expect(0)
}

#[test]
fn up_protects_a_folder_of_an_ordinary_user_from_nothing() {
    let lab = Lab::new();
    let home = lab.path("home");
    fs::create_dir(&home).unwrap();
    let program = env!("CARGO_BIN_EXE_rozenctl");
    let mut command = Command::new(program);
    if is_root() {
        if !fs::metadata(env!("CARGO_BIN_EXE_rozenctl")).is_ok_and(|m| m.permissions().mode() & 0o1 != 0) {
            return skipped("the program cannot be executed by another user");
        }
        let owned = Command::new("chown").args(["-R", "65534:65534"]).arg(lab.path("")).status().unwrap();
        assert!(owned.success());
        command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", program]);
    }
    command.args(["up", "data"]);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("HOME", &home).current_dir(lab.path(""));
    let done = interrupted_after(&mut command, "snapshot 1");
    assert!(done.out.contains("Your recovery code") && done.out.contains("snapshot 1"), "{}", done.out);
    assert!(done.err.contains("same disk"), "{}", done.err);
    let repo = home.join(".local/share/rozen/repository");
    let code: String = done.out.lines().filter(|l| l.starts_with("    ") && l.contains('-')).take(2).collect();
    lab.elsewhere(&["restore", "latest", "--repo", repo.to_str().unwrap(), "--recovery", "-", "--to", "out"], &code)
        .expect(0);
    assert_same(&lab.root(), &lab.path("out"));
}

#[test]
fn a_program_that_sets_up_by_up_is_told_the_recovery_code() {
    let lab = Lab::new();
    let mut command = lab.command(env!("CARGO_BIN_EXE_rozenctl"));
    command.args(["up", "data", "--repo", "repo", "--json"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let told: serde_json::Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
    let code = told["recovery_code"].as_str().unwrap();
    lab.elsewhere(&["snapshots", "--repo", "repo", "--recovery", "-"], code).expect(0);
}

#[test]
fn the_doctor_says_what_to_do_about_each_thing() {
    let lab = Lab::new();
    let told = lab.ctl(&["doctor"]).expect(3).out;
    assert!(told.contains("FAILED   configuration:") && told.contains("remedy:"), "{told}");
    lab.init();
    let told = lab.ctl(&["doctor"]).expect(3).out;
    for right in ["ok       configuration:", "ok       machine key:", "ok       folders:", "ok       target:"] {
        assert!(told.contains(right), "{right:?} is missing in:\n{told}");
    }
    assert!(told.contains("warning  recovery file:"), "it lies beside the configuration:\n{told}");
    assert!(told.contains("warning  agent: it does not run"), "{told}");
    fs::rename(lab.path("recovery.txt"), lab.path("way-back")).unwrap();
    let told = lab.ctl(&["doctor"]).expect(3).out;
    assert!(told.contains("warning  recovery file:") && told.contains("way-back is on this machine"), "{told}");
    lab.backup().expect(0);
    assert!(lab.ctl(&["doctor"]).expect(3).out.contains("ok       state directory:"));
    fs::write(lab.path("state/journal.db"), b"garbage").unwrap();
    let told = lab.ctl(&["doctor"]).expect(3).out;
    assert!(told.contains("FAILED   state directory: the journal"), "{told}");
    fs::rename(lab.path("repo"), lab.path("away")).unwrap();
    let json = lab.ctl(&["doctor", "--json"]).expect(3).out;
    let findings: Vec<serde_json::Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let target = findings.iter().find(|finding| finding["check"] == "target").unwrap();
    assert_eq!(target["state"], "failed", "{target}");
    assert!(findings.iter().all(|finding| (finding["state"] == "ok") == (finding["remedy"] == "")), "{json}");
}

#[test]
fn a_state_directory_of_another_repository_is_refused_before_anything_is_made() {
    let lab = Lab::new();
    lab.init();
    lab.backup().expect(0);
    ["rozen.toml", "rozen.key"].iter().for_each(|name| fs::remove_file(lab.path(name)).unwrap());
    let refused = lab.ctl(&["init", "--repo", "other", "--root", "data", "--recovery-out", "other.txt"]).expect(1);
    assert!(
        refused.err.contains("belongs to another repository") && refused.err.contains("--state"),
        "{}",
        refused.err
    );
    for made in ["other", "other.txt", "rozen.toml", "rozen.key"] {
        let is_empty = lab.path(made).read_dir().is_ok_and(|mut dir| dir.next().is_none());
        assert!(is_empty || !lab.path(made).exists(), "{made} was made");
    }
}

#[test]
fn a_new_machine_never_takes_over_the_state_of_an_old_one() {
    let lab = Lab::new();
    lab.init();
    lab.backup().expect(0);
    ["rozen.toml", "rozen.key"].iter().for_each(|name| fs::remove_file(lab.path(name)).unwrap());
    let again = ["init", "--repo", "repo", "--root", "data", "--recovery", "recovery.txt"];
    let refused = lab.ctl(&again).expect(1);
    assert!(refused.err.contains("whose key is not here") && refused.err.contains("recover"), "{}", refused.err);
    assert!(!lab.path("rozen.key").exists(), "no machine was enrolled");
    lab.ctl(&[&again[..], &["--state", "other-state"]].concat()).expect(0);
    // whoever uses the old state with the new key is told too
    let refused = lab.backup().expect(1);
    assert!(refused.err.contains("belongs to machine"), "{}", refused.err);
    let done = lab.ctl(&["backup", "--once", "--state", "other-state"]).expect(0);
    assert!(done.out.contains("snapshot 1"), "{}", done.out);
}

#[test]
fn no_new_repository_is_made_over_backups_whose_record_is_lost() {
    let lab = Lab::new();
    lab.init();
    lab.backup().expect(0);
    fs::remove_file(lab.path("repo/rozen.json")).unwrap();
    let elsewhere = ["--config", "new.toml", "--state", "new-state"];
    let init = ["init", "--repo", "repo", "--root", "data", "--recovery-out", "new.txt"];
    let refused = lab.ctl(&[&init[..], &elsewhere].concat()).expect(1);
    assert!(refused.err.contains("rozen.json is lost"), "{}", refused.err);
    assert!(!lab.path("repo/rozen.json").exists() && !lab.path("new.txt").exists());
    lab.ctl(&["restore", "latest", "--repo", "repo", "--recovery", "recovery.txt", "--to", "out"]).expect(0);
}

#[test]
fn what_lies_in_a_folder_named_tmp_is_not_ours_to_remove() {
    let lab = Lab::new();
    fs::create_dir_all(lab.path("repo/tmp")).unwrap();
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(30 * 86_400);
    for name in ["thesis", "12-notes", "12-0123456789abcdef.txt"] {
        let file = fs::File::create(lab.path(&format!("repo/tmp/{name}"))).unwrap();
        file.set_times(fs::FileTimes::new().set_modified(old)).unwrap();
    }
    // nobody ever writes into it: who waited for that would wait for ever
    for name in ["pipe", "7-0123456789abcdef"] {
        rustix::fs::mknodat(
            rustix::fs::CWD,
            lab.path(&format!("repo/tmp/{name}")),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
    }
    lab.init();
    lab.backup().expect(0);
    let left = fs::read_dir(lab.path("repo/tmp")).unwrap().count();
    assert_eq!(left, 5);
}

#[test]
fn before_the_first_backup_the_remedy_is_a_backup() {
    let lab = Lab::new();
    lab.init();
    for args in [&["restore", "latest", "--to", "out"][..], &["ls", "latest"]] {
        let done = lab.ctl(&[args, &["--recovery", "recovery.txt"]].concat()).expect(1);
        let done = done.says(&["has no snapshot yet", "rozenctl backup --once"]);
        assert!(!done.err.contains("cannot be read"), "{}", done.err);
    }
    let told = lab.ctl(&["check", "--read-data", "--recovery", "recovery.txt"]).expect(0).out;
    assert!(told.contains("nothing to check") && !told.contains("was not read"), "{told}");
}

#[test]
fn a_secret_that_is_missing_is_told_with_a_remedy_that_helps() {
    let lab = Lab::new();
    lab.init();
    lab.elsewhere(&["snapshots", "--repo", "repo", "--recovery", "-"], "\n").expect(12).says(&["no recovery code"]);
    let passphrase = ["--recovery", "recovery.txt", "--passphrase-file", "nothing.txt"];
    for args in [&["--recovery", "nothing.txt"][..], &passphrase] {
        let done = lab.elsewhere(&[&["snapshots", "--repo", "repo"], args].concat(), "").expect(12);
        let done = done.says(&["nothing.txt", "nothing is there"]);
        assert!(!done.err.contains("never replaced"), "{}", done.err);
    }
}

#[test]
fn a_recovery_file_is_never_promised_where_none_is_written_nor_put_into_its_repository() {
    let lab = Lab::new();
    let init = |out: &str| lab.ctl(&["init", "--repo", "repo", "--root", "data", "--recovery-out", out]);
    init("repo/recovery.txt").expect(1).says(&["inside of the repository"]);
    assert_eq!(fs::read_dir(lab.path("repo")).unwrap().count(), 0);
    lab.init();
    fs::remove_file(lab.path("rozen.toml")).unwrap();
    init("second.txt").expect(1).says(&["no recovery file can be written", "--recovery-out"]);
    assert!(!lab.path("second.txt").exists());
}

#[test]
fn a_folder_that_was_taken_out_of_the_configuration_is_told_as_not_backed_up() {
    let lab = Lab::new();
    lab.init();
    let config = lab.path("rozen.toml");
    let before = fs::read_to_string(&config).unwrap();
    fs::create_dir(lab.path("other")).unwrap();
    fs::write(lab.path("other/x"), b"x").unwrap();
    let both = format!("{before}\n[[root]]\nid = \"other\"\npath = {:?}\n", lab.path("other"));
    fs::write(&config, both).unwrap();
    lab.backup().expect(0);
    let told = "other: not backed up since";
    let ask = |args: &[&str]| lab.ctl(&[args, &["--recovery", "recovery.txt"]].concat()).expect(0);
    assert!(!ask(&["snapshots"]).out.contains(told));
    fs::write(&config, before).unwrap();
    lab.write("a.txt", b"changed");
    lab.backup().expect(0);
    assert!(ask(&["snapshots"]).out.contains(told));
    let newest: serde_json::Value =
        serde_json::from_str(ask(&["snapshots", "--json"]).out.lines().last().unwrap()).unwrap();
    let kept: Vec<_> =
        newest["roots"].as_array().unwrap().iter().map(|root| (&root["id"], &root["not_backed_up"])).collect();
    assert!(
        kept.contains(&(&"other".into(), &true.into())) && kept.contains(&(&"data".into(), &false.into())),
        "{kept:?}"
    );
    assert!(ask(&["ls", "latest"]).err.contains(told));
    assert!(ask(&["restore", "latest", "--to", "out", "--dry-run"]).err.contains(told));
}

#[test]
fn a_folder_that_was_never_there_is_in_no_snapshot_once_the_configuration_does_not_name_it() {
    let lab = Lab::new();
    lab.init();
    let config = lab.path("rozen.toml");
    let before = fs::read_to_string(&config).unwrap();
    fs::write(&config, format!("{before}\n[[root]]\nid = \"typo\"\npath = {:?}\n", lab.path("typo"))).unwrap();
    lab.backup().expect(3);
    lab.restore("misspelt").expect(3);
    fs::write(&config, before).unwrap();
    lab.write("a.txt", b"changed");
    lab.backup().expect(0);
    lab.restore("out").expect(0);
    assert_eq!(fs::read(lab.path("out/a.txt")).unwrap(), b"changed");
}

#[test]
fn what_holds_no_secret_is_a_wrong_key_and_a_machine_key_that_is_lost_says_what_to_do() {
    let lab = Lab::new();
    lab.init();
    fs::create_dir(lab.path("folder")).unwrap();
    fs::write(lab.path("binary"), [0xff, 0xfe]).unwrap();
    fs::write(lab.path("large"), vec![b'x'; 100_000]).unwrap();
    for file in ["nowhere", "folder", "binary", "large"] {
        lab.ctl(&["snapshots", "--recovery", file]).expect(12).says(&[file]);
        lab.ctl(&["snapshots", "--recovery", "recovery.txt", "--passphrase-file", file]).expect(12).says(&[file]);
    }
    fs::rename(lab.path("rozen.key"), lab.path("elsewhere")).unwrap();
    lab.backup().expect(1).says(&["the key of this machine", "rozen.key", "rozenctl recover"]);
}

#[test]
fn what_is_not_text_in_the_arguments_is_named() {
    use std::os::unix::ffi::OsStrExt;
    let lab = Lab::new();
    let bad = std::ffi::OsStr::from_bytes(b"/mnt/\xff");
    let done = lab.run(lab.command(env!("CARGO_BIN_EXE_rozenctl")).args(["snapshots", "--repo"]).arg(bad), "");
    done.expect(2).says(&["/mnt/", "UTF-8"]);
}
