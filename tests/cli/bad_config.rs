//! Bad input from people: configurations, flags, paths.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::lab::{Lab, assert_same, is_root, skipped};

/// Every key of a configuration, with a value that it takes.
const KEYS: [(&str, &str, &str); 24] = [
    ("", "repository", "\"file:///r\""),
    ("", "machine_key", "\"/k\""),
    ("[[root]]", "id", "\"x\""),
    ("[[root]]", "path", "\"/x\""),
    ("[[root]]", "tier", "\"normal\""),
    ("[[root]]", "class", "\"STANDARD\""),
    ("[exclude]", "globs", "[\"*.o\"]"),
    ("[exclude]", "regex", "[\"x\"]"),
    ("[exclude]", "files", "[\".ignore\"]"),
    ("[exclude]", "if_present", "[\".no\"]"),
    ("[exclude]", "caches", "true"),
    ("[exclude]", "nodump", "true"),
    ("[exclude]", "one_filesystem", "true"),
    ("[exclude]", "default_list", "true"),
    ("[exclude]", "larger_than", "\"1GiB\""),
    ("[run]", "settle", "\"1s\""),
    ("[run]", "max_delay", "\"1m\""),
    ("[run]", "partial_every", "\"1m\""),
    ("[run]", "freeze_limit", "\"1h\""),
    ("[run]", "audit_every", "\"1h\""),
    ("[run]", "level", "3"),
    ("[limits]", "upload", "\"1MiB/s\""),
    ("[limits]", "download", "\"off\""),
    ("[log]", "level", "\"info\""),
];

#[test]
fn every_misspelt_key_is_named_with_its_line_and_the_right_one() {
    let lab = Lab::new();
    for (table, key, value) in KEYS {
        fs::write(lab.path("rozen.toml"), format!("{table}\n{key}z = {value}\n")).unwrap();
        let wrong = format!("{key}z");
        lab.backup().expect(1).says(&["line 2", &wrong, "did you mean", &format!("`{key}`")]);
    }
}

#[test]
fn every_value_of_a_wrong_type_is_named_with_what_was_expected() {
    let lab = Lab::new();
    for (table, key, _) in KEYS {
        fs::write(lab.path("rozen.toml"), format!("{table}\n{key} = {{ a = 1979-05-27 }}\n")).unwrap();
        lab.backup().expect(1).says(&["line 2", key, "must be"]);
    }
}

#[test]
fn what_is_no_configuration_is_refused() {
    let lab = Lab::new();
    lab.backup().expect(1).says(&["no configuration", "rozenctl init"]);
    for text in ["= nonsense", "\"", "repository = \"file:///r\"\n", ""] {
        fs::write(lab.path("rozen.toml"), text).unwrap();
        lab.backup().expect(1).says(&["rozen.toml"]);
    }
    fs::write(lab.path("rozen.toml"), b"\xff\xfe\x00").unwrap();
    lab.backup().expect(1).says(&["not UTF-8"]);
}

#[test]
fn wrong_usage_is_told_with_exit_code_2() {
    let lab = Lab::new();
    for args in [
        &["--frobnicate"][..],
        &["backup", "--onec"],
        &["bakup"],
        &["restore"],
        &["restore", "latest"],
        &["restore", "latest", "--to", "x", "--in-place"],
        &["check", "--read-data=200%"],
        &["pause", "soon"],
        &[],
    ] {
        let done = lab.ctl(args).expect(2);
        assert!(done.err.contains("Usage") || done.err.contains("For more information"), "{args:?}: {}", done.err);
    }
    lab.ctl(&["--help"]).expect(0);
    lab.ctl(&["--version"]).expect(0);
}

#[test]
fn help_is_asked_for_as_in_other_programs() {
    let lab = Lab::new();
    for (asked, flag) in
        [(&["help"][..], &["--help"][..]), (&["help", "target", "check"], &["target", "check", "--help"])]
    {
        let told = lab.ctl(asked).expect(0).out;
        assert!(!told.is_empty() && told == lab.ctl(flag).expect(0).out, "{told}");
    }
    lab.ctl(&["help", "nonsense"]).expect(2);
}

#[test]
fn the_agent_takes_no_option_that_does_nothing() {
    let lab = Lab::new();
    lab.run(lab.command(env!("CARGO_BIN_EXE_rozend")).arg("--json"), "").expect(2);
    let help = lab.run(lab.command(env!("CARGO_BIN_EXE_rozend")).arg("--help"), "").expect(0).out;
    let foreign = ["--json", "RECOVERY", "12 wrong key"];
    assert!(foreign.iter().all(|text| !help.contains(text)), "{help}");
}

#[test]
fn init_refuses_what_cannot_be_protected_and_makes_nothing() {
    let lab = Lab::new();
    let init = |repo: &str, root: &str| lab.ctl(&["init", "--repo", repo, "--root", root]);
    init("repo", "missing").expect(2).says(&["missing", "cannot be protected"]);
    init("repo", "data/a.txt").expect(2).says(&["not a folder"]);
    init("sftp://host/x", "data").expect(2).says(&["not supported yet"]);
    init("ftp://x", "data").expect(2).says(&["no kind of target"]);
    init("data", "data/docs").expect(2).says(&["keeps its own data"]);
    assert!(!lab.path("rozen.toml").exists() && !lab.path("repo").exists());
    fs::write(lab.path("recovery.txt"), "precious").unwrap();
    lab.ctl(&["init", "--repo", "repo", "--root", "data", "--recovery-out", "recovery.txt"])
        .expect(1)
        .says(&["exists already"]);
    assert_eq!(fs::read(lab.path("recovery.txt")).unwrap(), b"precious");
}

#[test]
fn init_again_changes_nothing() {
    let lab = Lab::new();
    lab.init();
    let before = fs::read(lab.path("rozen.toml")).unwrap();
    assert!(lab.ctl(&["init", "--repo", "repo", "--root", "data"]).expect(0).out.contains("already"));
    lab.ctl(&["init", "--repo", "repo", "--root", "data/docs"]).expect(1).says(&["another configuration"]);
    lab.ctl(&["up", "data/docs"]).expect(1).says(&["not in the configuration"]);
    assert_eq!(fs::read(lab.path("rozen.toml")).unwrap(), before);
}

#[test]
fn a_folder_that_has_gone_is_a_problem_and_never_a_deletion() {
    let lab = Lab::new();
    lab.init();
    lab.backup().expect(0);
    fs::rename(lab.root(), lab.path("away")).unwrap();
    let done = lab.backup().expect(1);
    assert!(done.err.contains("root_unavailable") && done.err.contains("remedy"), "{}", done.err);
    // an empty folder in its place, as a mount point without its disk
    fs::create_dir(lab.root()).unwrap();
    let done = lab.backup().expect(1);
    assert!(done.err.contains("not mounted") && done.err.contains("--accept"), "{}", done.err);
    lab.restore("out").expect(0);
    assert_same(&lab.path("away"), &lab.path("out"));
    lab.ctl(&["backup", "--once", "--accept", "nonsense"]).expect(2).says(&["no folder `nonsense`"]);
    assert!(lab.ctl(&["backup", "--once", "--accept", "data"]).expect(0).out.starts_with("snapshot 2"));
    assert!(lab.backup().expect(0).out.starts_with("nothing has changed"));
}

#[test]
fn a_folder_that_cannot_be_read_is_named_and_all_else_is_stored() {
    let lab = Lab::new();
    lab.write("secret/s", b"hidden");
    lab.init();
    fs::set_permissions(lab.root().join("secret"), fs::Permissions::from_mode(0o000)).unwrap();
    let mut command = Command::new("setpriv");
    if is_root() {
        let owned = Command::new("chown").args(["-R", "65534:65534"]).arg(lab.path("")).status().unwrap();
        assert!(owned.success());
        if !Command::new("setpriv").arg("--version").output().is_ok_and(|output| output.status.success()) {
            return skipped("setpriv is not installed");
        }
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        command.arg(env!("CARGO_BIN_EXE_rozenctl"));
    } else {
        command = Command::new(env!("CARGO_BIN_EXE_rozenctl"));
    }
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).current_dir(lab.path(""));
    command.args(["--config", "rozen.toml", "--state", "state", "backup", "--once", "--json"]);
    let done = lab.run(&mut command, "").expect(3);
    let report = done.json();
    let mut problems = report["problems"].as_array().unwrap().iter();
    let unreadable = problems.find(|problem| problem["code"] == "unreadable").unwrap();
    assert_eq!(unreadable["path"], lab.root().join("secret").to_str().unwrap());
    lab.restore("out").expect(3).says(&["data/secret", "could not be listed"]);
    assert!(lab.path("out/docs/deep/c.bin").exists() && !lab.path("out/secret/s").exists());
    fs::set_permissions(lab.root().join("secret"), fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn what_is_no_repository_is_told_with_exit_code_10() {
    let lab = Lab::new();
    lab.init();
    fs::create_dir(lab.path("empty")).unwrap();
    for place in ["empty", "missing"] {
        lab.elsewhere(&["snapshots", "--repo", place, "--recovery", "recovery.txt"], "").expect(10).says(&[place]);
    }
    fs::rename(lab.path("repo"), lab.path("away")).unwrap();
    lab.backup().expect(10).says(&["repo"]);
    fs::rename(lab.path("away"), lab.path("repo")).unwrap();
    lab.backup().expect(0);
}

#[test]
fn a_command_line_that_is_not_understood_is_an_object_for_programs() {
    let lab = Lab::new();
    for args in [
        &["restore", "latest", "--json"][..],
        &["--json", "nonsense"],
        &["backup", "--json", "--nonsense"],
        &["--json"],
    ] {
        let done = lab.ctl(args).expect(2);
        let told: serde_json::Value = serde_json::from_str(&done.err).unwrap_or_else(|e| panic!("{e}: {}", done.err));
        assert_eq!(told["error"]["exit_code"], 2);
        assert!(["message", "remedy"].iter().all(|field| !told["error"][field].as_str().unwrap().is_empty()), "{told}");
        assert!(done.out.is_empty(), "{}", done.out);
    }
    assert!(lab.ctl(&["nonsense"]).expect(2).err.starts_with("error: "));
    assert!(lab.ctl(&["--json", "--help"]).expect(0).out.contains("Usage"));
}

#[test]
fn a_plan_names_paths_that_are_no_text_exactly() {
    let lab = Lab::new();
    lab.init();
    fs::write(lab.root().join(OsStr::from_bytes(b"\xff")), b"x").unwrap();
    lab.backup().expect(0);
    let mut command = lab.command(env!("CARGO_BIN_EXE_rozenctl"));
    command.args(["restore", "latest", "--recovery", "recovery.txt", "--to", "out", "--dry-run", "--json"]);
    let plan = lab.run(command.arg(OsStr::from_bytes(b"\xff")), "").expect(0).json();
    let path = &plan["plan"]["paths"][0];
    assert!(path["from_b64"].is_string() && path["to_b64"].is_string(), "{plan}");
    let plan = lab
        .ctl(&["restore", "latest", "--recovery", "recovery.txt", "--to", "out", "--dry-run", "--json"])
        .expect(0)
        .json();
    assert!(plan["plan"]["paths"][0].get("from_b64").is_none(), "{plan}");
}

#[test]
fn a_repository_that_looks_like_a_url_or_a_home_makes_no_odd_folder() {
    let lab = Lab::new();
    for (url, said) in [("~/backup", "in full"), ("file:backup", "file:///"), ("s3:bucket", "s3://")] {
        lab.ctl(&["init", "--repo", url, "--root", "data", "--recovery-out", "recovery.txt"]).expect(2).says(&[said]);
    }
    assert!(!lab.path("~").exists() && !lab.path("file:backup").exists());
}
