//! The configuration as people write it, well and badly.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::de::DeTable;

use super::parse::top;
use super::section::{Document, Section};
use super::*;
use crate::model::{MergeRule, ProblemCode, StorageClass};

const SMALLEST: &str = "repository = \"file:///r\"\n[[root]]\nid = \"home\"\npath = \"/home/ann\"\n";
const EVERYTHING: &str = r#"
repository = "s3://photos/ann"
machine_key = "keys/m.key"

[exclude]
globs = ["*.iso", "!keep.iso"]
regex = ['\.o$']
files = [".gitignore"]
if_present = []
caches = false
nodump = false
one_filesystem = true
default_list = false
larger_than = "10GiB"

[run]
settle = "5s"
max_delay = "1m"
partial_every = "2m30s"
audit_every = "12h"
poll_every = "10m"
level = 9

[archive]
merge_at = "64MiB"
merge_after = "7d"

[limits]
upload = "2MiB/s"
download = "10MB/s"

[[limits.at]]
from = "08:00"
to = "18:00"
upload = "500KiB/s"

[[limits.at]]
from = "22:00"
to = "06:00"
upload = "off"
download = "off"

[log]
level = "debug"

[[root]]
id = "home"
path = "/home/./ann/"
tier = "normal"
class = "DEEP_ARCHIVE"

[root.exclude]
globs = ["/Downloads/"]
caches = true
larger_than = "off"

[[root]]
id = "etc"
path = "/etc"
"#;

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, Path::new("/c/rozen.toml"))
}

fn faults(text: &str) -> Vec<String> {
    match parse(text) {
        Err(ConfigError::Invalid { faults, .. }) => faults.iter().map(Fault::to_string).collect(),
        other => panic!("no faults: {other:?}"),
    }
}

#[test]
fn the_smallest_configuration_takes_every_default() {
    let config = parse(SMALLEST).unwrap();
    assert_eq!(config.machine_key, PathBuf::from("/c/rozen.key"));
    assert_eq!(
        (&config.exclude, &config.run, &config.log),
        (&Default::default(), &Default::default(), &Default::default())
    );
    assert_eq!(config.roots, [RootConfig::new("home".parse().unwrap(), "/home/ann".into())]);
}

#[test]
fn every_key_reaches_its_setting() {
    let config = parse(EVERYTHING).unwrap();
    assert_eq!(config.machine_key, PathBuf::from("/c/keys/m.key"));
    assert_eq!(config.run.partial_every, Duration::from_secs(150));
    let after = Duration::from_secs(7 * 24 * 3600);
    assert_eq!(config.archive.merge, Some(MergeRule { at_bytes: 64 << 20, after }));
    assert_eq!((config.run.level, config.log.level), (9, LogLevel::Debug));
    assert_eq!(config.roots[0].path, PathBuf::from("/home/ann"));
    assert_eq!(config.roots[0].class, StorageClass::DeepArchive);
    let home = config.excludes_of(&config.roots[0]);
    assert_eq!(home.globs, ["*.iso", "!keep.iso", "/Downloads/"]);
    assert_eq!((home.caches, home.nodump, home.larger_than), (true, false, None));
    assert_eq!(config.excludes_of(&config.roots[1]), config.exclude);
    assert_eq!(config.exclude.larger_than, Some(Size(10 << 30)));
}

#[test]
fn what_is_written_reads_back_the_same() {
    for text in [SMALLEST, EVERYTHING] {
        let config = parse(text).unwrap();
        let written = config.to_toml(Path::new("/c/rozen.toml"));
        assert_eq!(parse(&written).unwrap(), config, "{written}");
    }
    let mut odd = parse(SMALLEST).unwrap();
    odd.archive.merge = None;
    odd.roots[0].path = "/home/\"quoted\"\n\\ä".into();
    assert_eq!(parse(&odd.to_toml(Path::new("/c/rozen.toml"))).unwrap(), odd);
    odd.roots[0].path = PathBuf::from(OsString::from_vec(b"/home/no text \xff".to_vec()));
    assert_eq!(parse(&odd.to_toml(Path::new("/c/rozen.toml"))).unwrap(), odd);
}

#[test]
fn every_misspelt_key_is_named_with_its_line_and_the_nearest_known_one() {
    let lines: Vec<&str> = EVERYTHING.lines().collect();
    for (number, line) in lines.iter().enumerate() {
        let Some((key, value)) = line.split_once(" = ") else { continue };
        let misspelt = format!("{}x{}", &key[..key.len() - 1], &key[key.len() - 1..]);
        let mut changed = lines.clone();
        let new_line = format!("{misspelt} = {value}");
        changed[number] = &new_line;
        let found = faults(&changed.join("\n"));
        let hit = found.iter().find(|f| f.contains(&misspelt)).unwrap_or_else(|| panic!("{misspelt}: {found:?}"));
        assert!(hit.starts_with(&format!("line {}: ", number + 1)), "{hit}");
        assert!(hit.ends_with(&format!("did you mean `{key}`?")), "{hit}");
    }
}

#[test]
fn every_wrong_type_is_named_with_what_was_expected_and_found() {
    let lines: Vec<&str> = EVERYTHING.lines().collect();
    for (number, line) in lines.iter().enumerate() {
        let Some((key, _)) = line.split_once(" = ") else { continue };
        let mut changed = lines.clone();
        let new_line = format!("{key} = 1979-05-27");
        changed[number] = &new_line;
        let found = faults(&changed.join("\n"));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with(&format!("line {}: ", number + 1)), "{}", found[0]);
        assert!(found[0].contains(key) && found[0].ends_with("found the date 1979-05-27"), "{}", found[0]);
    }
}

#[test]
fn values_that_cannot_work_are_refused_with_a_reason() {
    let root = |lines: &str| format!("repository = \"file:///r\"\n[[root]]\nid = \"a\"\npath = \"/a\"\n{lines}");
    for (text, expected) in [
        (root("[run]\nsettle = \"2h\""), "it must be from 0s to 1h"),
        (root("[run]\nsettle = \"10m\""), "longer than run.max_delay (5m)"),
        (root("[run]\nlevel = 20"), "from 1 to 19"),
        (root("[exclude]\nglobs = [\"ok\",\n\"[z\"]"), "line 7"),
        (root("[exclude]\nregex = [\"(z\"]"), "unclosed group"),
        (root("[exclude]\nfiles = [\"a/b\"]"), "not a file name"),
        (root("tier = \"worm\""), "not supported yet"),
        (root("class = \"DEEP_ARCHIVE\""), "has no storage classes"),
        (root("[[root]]\nid = \"a\"\npath = \"/b\""), "another root has the id `a`"),
        (root("[[root]]\nid = \"b\"\npath = \"/a/\""), "the root `a` has this path"),
        (root("[[root]]\nid = \"b\"\npath = \"~/x\""), "it must begin with `/`"),
        (root("[[root]]\nid = \"b\"\npath = \"/a/../b\""), "must not hold `..`"),
        (root("[[root]]\nid = \"B\"\npath = \"/b\""), "`root[2].id` must be a short name"),
        (root("[[root]]\nid = \"b\""), "`root[2].path` is missing"),
        (root("[[root]]\nid = \"b\"\npath_b64 = \"/b\""), "`root[2].path_b64` must be a path in base64"),
        (root("[[root]]\nid = \"b\"\npath_b64 = \"eA==\""), "`root[2].path_b64` cannot be used: it must begin with"),
        (root("path_b64 = \"L2I=\""), "`path` is given too"),
        ("[[root]]\nid = \"a\"\npath = \"/a\"".into(), "`repository` is missing"),
        ("repository = \"\"\n[[root]]\nid = \"a\"\npath = \"/a\"".into(), "`repository` is missing"),
        ("repository = \"/x\"".into(), "`root` is missing"),
        ("repository = \"/x\"\nroot = 5".into(), "`root` must be a list of tables"),
        ("repository = \"/x\"\nroot = [5]".into(), "`root[1]` must be a table"),
        (root("[limits.at]\nfrom = \"08:00\""), "`limits.at` must be a list of tables, each begun by [[limits.at]]"),
        (root("").replacen("\n", "\nmachine_key = \"\"\n", 1), "line 2: `machine_key` cannot be used: it is empty"),
        (root("").replace("file:///r", "file://"), "line 1: `repository` cannot be used: it must be file:///path"),
        (root("").replace("file:///r", "FILE:///r"), "must begin with file:// or s3://"),
        (root("").replace("file:///r", "http://x"), "must begin with file:// or s3://"),
        (root("").replace("file:///r", "s3://"), "names no bucket"),
        (root("").replace("file:///r", "/r\\u0000"), "NUL byte"),
        (
            "repository = \"backup\"\n[[root]]\nid = \"a\"\npath = \"/a\"\nclass = \"GLACIER\"".into(),
            "line 1: `repository` cannot",
        ),
        ("repository = \"~/backup\"\n[[root]]\nid = \"a\"\npath = \"/a\"".into(), "begin with `/`"),
        (root("[exclude]\nwat = 1"), "known here: globs, regex"),
        (root("[[limits.at]]\nfrom = \"08:00\"\nto = \"08:00\""), "the same time as `from`"),
        (root("[[limits.at]]\nto = \"08:00\""), "`limits.at[1].from` is missing"),
        (root("[limits]\nupload = \"2MiB\""), "must be a rate such as"),
        (root("[archive]\nmerge_at = \"2GiB\""), "must be a size from"),
        (root("[archive]\nmerge_after = \"1h\""), "it must be from 1d to 366d"),
    ] {
        let found = faults(&text);
        assert!(found.len() == 1 && found[0].contains(expected), "{expected}: {found:?}");
    }
}

#[test]
fn all_faults_come_at_once_in_the_order_of_the_lines() {
    let found = faults("repositori = 1\nlogs = 2\n[run]\nsettle = 3\n");
    assert_eq!(found.len(), 5, "{found:?}");
    assert!(found.is_sorted_by_key(|f| f[5..6].to_owned()), "{found:?}");
}

#[test]
fn files_that_are_no_configuration_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rozen.toml");
    assert!(matches!(Config::load(&path), Err(ConfigError::Missing { .. })));
    assert!(matches!(Config::load(dir.path()), Err(ConfigError::Read { .. })));
    std::fs::write(&path, b"a = \"\xff\"").unwrap();
    assert!(matches!(Config::load(&path), Err(ConfigError::NotText { offset: 5, .. })));
    std::fs::write(&path, "a = 1\nb = \n").unwrap();
    assert!(matches!(Config::load(&path), Err(ConfigError::Syntax { line: 2, .. })));
    std::fs::write(&path, vec![b'#'; (1 << 20) + 1]).unwrap();
    assert!(matches!(Config::load(&path), Err(ConfigError::TooLarge { .. })));
    // it has no length
    assert!(matches!(Config::load(Path::new("/dev/zero")), Err(ConfigError::TooLarge { .. })));
    std::fs::write(&path, SMALLEST).unwrap();
    assert_eq!(Config::load(&path).unwrap().roots.len(), 1);
}

#[test]
fn a_root_that_is_not_there_is_a_problem_with_a_remedy_and_no_error() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let mut config = parse(SMALLEST).unwrap();
    for (path, count) in [(dir.path().to_path_buf(), 0), (dir.path().join("gone"), 1), (file, 1)] {
        config.roots[0].path = path;
        let problems = config.root_problems();
        assert_eq!(problems.len(), count);
        assert!(problems.iter().all(|p| p.code == ProblemCode::RootUnavailable && !p.remedy.is_empty()));
    }
}

#[test]
fn the_documentation_names_every_key_and_its_true_default() {
    let documented = documented_keys();
    let document = Document::new("");
    let text = "repository = \"r\"\n[[root]]\nid = \"a\"\npath = \"/a\"\n[[limits.at]]\n";
    top(Section::top(&document, DeTable::parse(text).unwrap().into_inner()), Path::new("/c/rozen.toml"));
    let asked = document.asked().into_iter().map(|key| key.replace("root.exclude.", "exclude."));
    let asked: std::collections::BTreeSet<String> = asked.collect();
    assert_eq!(documented.iter().map(|(key, _)| key.clone()).collect::<std::collections::BTreeSet<_>>(), asked);

    let expected = parse(SMALLEST).unwrap();
    for (key, default) in documented.iter().filter(|(_, default)| default.starts_with('`')) {
        let (table, key) = key.split_once('.').unwrap();
        let line = format!("{key} = {}\n", default.trim_matches('`'));
        let text = if table == "root" { format!("{SMALLEST}{line}") } else { format!("{SMALLEST}[{table}]\n{line}") };
        assert_eq!(parse(&text).unwrap(), expected, "{text}");
    }
}

/// The rows of the tables of docs/config.md: key and default.
fn documented_keys() -> Vec<(String, String)> {
    let rows = include_str!("../../docs/config.md").lines().filter(|line| line.starts_with("| `"));
    let cells = rows.map(|line| line.split('|').map(str::trim).collect::<Vec<_>>());
    cells.map(|cells| (cells[1].trim_matches('`').to_owned(), cells[2].to_owned())).collect()
}
