//! Rooms stand in an order: the table in docs/architecture.md says which room may name which. The table and the code are
//! held equal from both sides, so a reader of the document learns what is true.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The programs; a room as far as this test is concerned.
const PROGRAMS: &str = "bin";
const BEGIN: &str = "<!-- rooms: read by tests/layers.rs -->";
const END: &str = "<!-- end of rooms -->";

/// A row of the table.
struct Row {
    room: String,
    /// `None`: all rooms above.
    uses: Option<BTreeSet<String>>,
}

#[test]
fn every_room_has_a_row_and_every_row_a_room() {
    let rows: BTreeSet<String> = table().into_iter().map(|row| row.room).collect();
    assert_eq!(rows, rooms(), "left: docs/architecture.md, right: src/");
}

#[test]
fn a_row_names_only_rooms_above_it() {
    let mut above = BTreeSet::new();
    for row in table() {
        for used in row.uses.iter().flatten() {
            assert!(above.contains(used), "the row of {} names {used}, which is not above it", row.room);
        }
        assert!(above.insert(row.room.clone()), "{} has two rows", row.room);
    }
}

#[test]
fn rooms_name_what_their_row_says_and_nothing_else() {
    let mut above = BTreeSet::new();
    let mut faults = Vec::new();
    for row in table() {
        let found = named_in(&row.room);
        let allowed = row.uses.as_ref().unwrap_or(&above);
        for (used, file) in found.iter().filter(|(used, _)| !allowed.contains(*used)) {
            faults.push(format!("{} names {used} in {}, its row does not", row.room, file.display()));
        }
        for unused in row.uses.iter().flatten().filter(|used| !found.contains_key(*used)) {
            faults.push(format!("the row of {} names {unused}, its code does not", row.room));
        }
        above.insert(row.room);
    }
    assert!(faults.is_empty(), "docs/architecture.md, \"Rooms\":\n{}", faults.join("\n"));
}

#[test]
fn every_file_says_what_it_is_for_and_every_room_what_it_is_not() {
    for room in rooms() {
        let mod_rs = source().join(&room).join("mod.rs");
        if let Ok(text) = fs::read_to_string(&mod_rs) {
            assert!(text.contains("//! Not here"), "{} does not say what is not there", mod_rs.display());
        }
        for file in files(&source().join(&room)) {
            let text = fs::read_to_string(&file).unwrap();
            assert!(text.starts_with("//!"), "{} does not begin with what it is for", file.display());
        }
    }
}

#[test]
fn test_code_and_comments_do_not_count() {
    let text = "use crate::model::Seq; // crate::store\n    #[cfg(test)]\n    mod tests {\n        use crate::journal;\n    }\n\
                let x = crate::clock::Clock;\nuse crate::{\n    config, fault::point,\n    tree::{self, Node},\n};\n\
                #[cfg(test)]\n#[path = \"x_tests.rs\"]\npub(crate) mod tests;\n";
    let expected = ["clock", "config", "fault", "model", "tree"].map(String::from);
    assert_eq!(names(&without_tests(text)), BTreeSet::from(expected));
    assert_eq!(test_modules(text), ["tests.rs", "tests", "x_tests.rs"].map(PathBuf::from));
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn table() -> Vec<Row> {
    let text = fs::read_to_string(source().parent().unwrap().join("docs/architecture.md")).unwrap();
    let between = text.split_once(BEGIN).and_then(|(_, rest)| rest.split_once(END)).expect("the table has its marks").0;
    let rows = between.lines().filter(|line| line.starts_with("| `"));
    rows.map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        assert_eq!(cells.len(), 3, "three cells: {line}");
        let uses = cells[2].split(',').map(str::trim).filter(|name| !name.is_empty()).map(String::from).collect();
        Row { room: cells[0].trim_matches('`').into(), uses: (cells[2] != "all").then_some(uses) }
    })
    .collect()
}

/// Folders of `src/`. What only tests use has no row.
fn rooms() -> BTreeSet<String> {
    let folders = fs::read_dir(source()).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    folders.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
}

/// Each room that `room` names outside of its tests, with a file that does.
fn named_in(room: &str) -> BTreeMap<String, PathBuf> {
    let mut found = BTreeMap::new();
    for file in files(&source().join(room)) {
        let mut text = without_tests(&fs::read_to_string(&file).unwrap());
        if room == PROGRAMS {
            text = text.replace("rozen::", "crate::");
        }
        for name in names(&text).into_iter().filter(|name| name != room) {
            found.entry(name).or_insert_with(|| file.clone());
        }
    }
    found
}

/// The Rust files below a folder that are compiled into the programs.
fn files(dir: &Path) -> Vec<PathBuf> {
    let paths: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    let sources = || paths.iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    let mut tests = BTreeSet::new();
    for path in sources() {
        let is_root = path.file_stem().is_some_and(|stem| stem == "mod");
        let below = if is_root { dir.to_path_buf() } else { path.with_extension("") };
        for name in test_modules(&fs::read_to_string(path).unwrap()) {
            tests.extend([below.join(&name), dir.join(&name)]);
        }
    }
    let mut out: Vec<PathBuf> = sources().filter(|path| !tests.contains(*path)).cloned().collect();
    for folder in paths.iter().filter(|path| path.is_dir() && !tests.contains(*path)) {
        out.extend(files(folder).into_iter().filter(|file| !tests.contains(file)));
    }
    out.sort();
    out
}

/// Files and folders of the modules that a file declares for tests only.
fn test_modules(text: &str) -> Vec<PathBuf> {
    let mut out = Vec::new();
    let mut lines = text.lines().map(str::trim);
    while let Some(line) = lines.next() {
        if line != "#[cfg(test)]" {
            continue;
        }
        let mut path = None;
        for line in lines.by_ref() {
            if let Some(given) = line.strip_prefix("#[path = \"") {
                path = given.strip_suffix("\"]");
            } else if !line.starts_with("#[") {
                let module =
                    line.split_once("mod ").filter(|(before, _)| before.is_empty() || before.starts_with("pub"));
                if let Some(name) = module.and_then(|(_, name)| name.strip_suffix(';')) {
                    out.extend([PathBuf::from(format!("{name}.rs")), PathBuf::from(name)]);
                    out.extend(path.map(PathBuf::from));
                }
                break;
            }
        }
    }
    out
}

/// The text without comments and without items that are compiled for tests only. Relies on rustfmt: an item ends
/// where its indentation comes back.
fn without_tests(text: &str) -> String {
    let mut out = String::new();
    let mut inside: Option<usize> = None;
    for line in text.lines() {
        let indentation = line.len() - line.trim_start().len();
        match inside {
            Some(begin) => {
                let ends = line.ends_with(';') || line.trim_start().starts_with('}');
                if indentation == begin && ends {
                    inside = None;
                }
            }
            None if line.trim() == "#[cfg(test)]" => inside = Some(indentation),
            None => {
                out.push_str(line.split("//").next().unwrap_or(""));
                out.push('\n');
            }
        }
    }
    out
}

/// The first component behind every `crate::`, also in groups.
fn names(text: &str) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(group) => out.extend(group_names(group)),
            None => out.extend(identifier(rest)),
        }
    }
    out
}

/// The first components of a group whose opening brace was taken off.
fn group_names(group: &str) -> Vec<String> {
    let (mut depth, mut start, mut out) = (0, 0, Vec::new());
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            ',' if depth == 0 => {
                out.extend(identifier(group[start..at].trim_start()));
                start = at + 1;
            }
            '}' if depth == 0 => {
                out.extend(identifier(group[start..at].trim_start()));
                return out;
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    out
}

fn identifier(text: &str) -> Option<String> {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len());
    (end > 0).then(|| text[..end].to_owned())
}
