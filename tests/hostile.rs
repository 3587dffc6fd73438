//! A hostile tree and real ones, through the real program and back: everything is equal, by rsync and by a walker of
//! the test, which also sees what is deeper than a path may be long.

mod common;

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Instant;

use common::machine::{expect, json_lines};
use common::{Machine, assert_same, hostile, read_facts, rsync};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

#[test]
fn a_hostile_tree_comes_back_equal_in_everything() {
    if !common::is_root() {
        skip!("the hostile tree has devices and owners, which only root can make");
    }
    if let Some(missing) = ["rsync", "setfacl"].into_iter().find(|program| !common::has_program(program)) {
        skip!("{missing} is not installed");
    }
    let machine = Machine::new();
    hostile::make(machine.root());
    machine.init();
    machine.exclude_nothing();
    round_trip(&machine);
    birth_times_are_listed(&machine);
}

/// Backs up, restores, compares; says how long each took.
fn round_trip(machine: &Machine) {
    let source = timed("reading the source", || read_facts(machine.root()));
    let report = timed("backup", || machine.backup());
    assert_eq!(report["problems"].as_array().unwrap().len(), 0, "{report}");
    let restored = timed("restore", || machine.restore("latest", "restored"));
    assert_same(&source, &timed("reading what was restored", || read_facts(&restored)));
    timed("rsync", || rsync::assert_nothing_to_do(machine.root(), &restored, &left_to_the_walker()));
    assert_same(&source, &read_facts(machine.root()));
    eprintln!("{} entries are equal", source.len());
}

/// What rsync cannot compare, and what it reads in full: every zero of ten GiB, twice.
fn left_to_the_walker() -> Vec<String> {
    let quick = [hostile::DEEP, hostile::SPARSE];
    quick[..if common::is_full() { 1 } else { 2 }].iter().map(|path| format!("/{path}")).collect()
}

fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    eprintln!("{what}: {:.1} s", start.elapsed().as_secs_f64());
    result
}

/// Linux cannot set them, so they are shown instead.
fn birth_times_are_listed(machine: &Machine) {
    let file = machine.root().join("names/a.b");
    let created = OffsetDateTime::from(fs::metadata(&file).unwrap().created().unwrap());
    let mut ls = machine.rozenctl("ls");
    ls.args(["latest", "names/a.b", "--json"]).arg("--recovery").arg(machine.recovery());
    let listed = json_lines(&expect(&mut ls, 0));
    assert_eq!(listed.len(), 1, "{listed:?}");
    let shown = OffsetDateTime::parse(listed[0]["btime"].as_str().unwrap(), &Rfc3339).unwrap();
    assert_eq!(shown, created, "{}", listed[0]);
}

/// Documentation, translations, fonts: names and sizes as people have them.
#[test]
fn thirty_thousand_real_files_come_back_equal() {
    if !common::is_full() {
        skip!("real files are copied only with ROZEN_FULL=1");
    }
    let places: Vec<_> = ["/usr/share", "/usr/include", "/usr/lib/python3"].map(Path::new).into();
    let machine = Machine::new();
    for place in places.into_iter().filter(|place| place.is_dir()) {
        let copied = std::process::Command::new("cp").arg("-a").arg(place).arg(machine.root()).status().unwrap();
        assert!(copied.success());
    }
    let files = count_files(machine.root());
    if files < 30_000 {
        skip!("this machine has only {files} files in its system directories");
    }
    machine.init();
    machine.exclude_nothing();
    round_trip(&machine);
}

fn count_files(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| if entry.file_type().unwrap().is_dir() { count_files(&entry.path()) } else { 1 }).sum()
}

/// Each file that waits to be read holds its folder open, and 1,024 is what most systems allow a program.
#[test]
fn thousands_of_folders_are_read_with_few_open_files() {
    let machine = Machine::new();
    let mut noise = common::Noise::new(5);
    for i in 0..3000 {
        let dir = machine.root().join(i.to_string());
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("f"), noise.bytes(20_000)).unwrap();
    }
    machine.init();
    let backup = machine.rozenctl("backup");
    let mut limited = std::process::Command::new("sh");
    limited.args(["-c", "ulimit -Sn 640; exec \"$0\" \"$@\""]).arg(backup.get_program()).args(backup.get_args());
    backup.get_envs().for_each(|(name, value)| match value {
        Some(value) => drop(limited.env(name, value)),
        None => drop(limited.env_remove(name)),
    });
    expect(limited.arg("--once"), 0);
    assert_same(&read_facts(machine.root()), &read_facts(&machine.restore("latest", "restored")));
}

/// The comparison of the tests sees what they are about.
#[test]
fn the_walker_of_the_test_sees_each_kind_of_difference() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "x").unwrap();
    let before = read_facts(dir.path());
    let differs = |change: &dyn Fn()| {
        change();
        read_facts(dir.path()) != before
    };
    let time = fs::metadata(&file).unwrap().modified().unwrap();
    let set_time = |time| fs::File::options().write(true).open(&file).unwrap().set_modified(time).unwrap();
    assert!(!differs(&|| fs::write(&file, "x").map(|()| set_time(time)).unwrap()));
    assert!(differs(&|| fs::write(&file, "y").map(|()| set_time(time)).unwrap()), "content");
    fs::write(&file, "x").unwrap();
    assert!(differs(&|| set_time(time + std::time::Duration::from_nanos(1))), "a nanosecond");
    set_time(time);
    assert!(differs(&|| fs::hard_link(&file, dir.path().join("other")).unwrap()), "a new name");
    assert_eq!(fs::metadata(&file).unwrap().nlink(), 2);
    assert!(read_facts(dir.path()).keys().any(|path| path.as_slice() == Path::new("other").as_os_str().as_bytes()));
}
