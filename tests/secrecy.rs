//! What the storage and a thief of the machine can read: nothing.

mod common;

use std::fs;

use common::machine::expect;
use common::{Machine, Noise, assert_same, read_facts};

/// Names and contents long enough that they are nowhere by chance.
const KNOWN: [&str; 6] = [
    "a-directory-with-a-name-to-find",
    "a-file-name-to-find.txt",
    "content-of-a-small-file-to-find",
    "content-of-a-large-file-to-find",
    "where-a-symlink-to-find-leads",
    "value-of-an-attribute-to-find",
];

fn machine_with_secrets() -> Machine {
    let [dir, file, small, large, target, attribute] = KNOWN;
    let machine = Machine::new();
    let dir = machine.root().join(dir);
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join(file), small).unwrap();
    // incompressible around it, so that it would be stored as it is
    let mut noise = Noise::new(1);
    let content = [noise.bytes(700_000), large.as_bytes().to_vec(), noise.bytes(700_000)].concat();
    fs::write(dir.join("large"), content).unwrap();
    std::os::unix::fs::symlink(target, dir.join("link")).unwrap();
    let flags = rustix::fs::XattrFlags::empty();
    rustix::fs::setxattr(dir.join("large"), "user.known", attribute.as_bytes(), flags).unwrap();
    machine.init();
    machine.backup();
    machine
}

#[test]
fn no_plain_name_or_content_is_in_the_repository() {
    let machine = machine_with_secrets();
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let root = machine.root().to_string_lossy().into_owned();
    for (path, _) in machine.objects() {
        let bytes = fs::read(&path).unwrap();
        for known in KNOWN.into_iter().chain([root.as_str()]) {
            assert!(!holds(&bytes, known.as_bytes()), "{known:?} is in {}", path.display());
        }
        // a host may have the name of something else: only long names prove anything
        assert!(host.len() < 6 || !holds(&bytes, host.as_bytes()), "the host's name is in {}", path.display());
    }
    let restored = machine.restore("latest", "restored");
    let file = restored.join(KNOWN[0]).join(KNOWN[1]);
    assert_eq!(fs::read_to_string(file).unwrap(), KNOWN[2], "the search would find it");
    assert_same(&read_facts(machine.root()), &read_facts(&restored));
}

fn holds(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

#[test]
fn with_everything_on_the_machine_but_the_recovery_file_a_restore_refuses() {
    let machine = machine_with_secrets();
    let to = machine.at("restored");
    let refused = |what: &str, key: Option<std::path::PathBuf>| {
        let mut restore = machine.rozenctl("restore");
        restore.arg("latest").arg("--to").arg(&to);
        key.iter().for_each(|key| _ = restore.arg("--recovery").arg(key));
        let out = expect(&mut restore, 12);
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(said.contains("remedy"), "{what}: {said}");
        assert!(!to.exists(), "{what}: something was restored");
    };
    refused("no key", None);
    let other = Machine::new();
    other.init();
    refused("the recovery file of another repository", Some(other.recovery()));

    // the machine's own key is no key for reading
    let mut restore = machine.rozenctl("restore");
    restore.arg("latest").arg("--to").arg(&to).arg("--recovery").arg(machine.at("rozen.key"));
    let out = restore.output().unwrap();
    assert!(!out.status.success() && !to.exists(), "{}", String::from_utf8_lossy(&out.stdout));
    for subcommand in ["snapshots", "ls", "find", "cat"] {
        let mut command = machine.rozenctl(subcommand);
        match subcommand {
            "ls" => _ = command.arg("latest"),
            "find" => _ = command.arg("*"),
            "cat" => _ = command.args(["latest", "large"]),
            _ => {}
        }
        expect(&mut command, 12);
    }
}
