//! The documents name tests, files, words and exit codes that exist, and the code names documents that do.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// They name files below `src/` as the rooms that they are in.
const ABOUT_CODE: [&str; 4] = ["architecture.md", "semantics.md", "testing.md", "uploads.md"];

#[test]
fn promises_and_answers_name_tests_that_exist() {
    let tests = test_names();
    for document in ["docs/semantics.md", "docs/uploads.md"] {
        let text = read(document);
        let named: Vec<&str> = quoted(&text).filter(|name| is_test_name(name)).collect();
        assert!(named.len() > 30, "{document} names its tests in backticks");
        let missing: Vec<_> = named.iter().filter(|name| !tests.contains(**name)).collect();
        assert!(missing.is_empty(), "{document} names tests that are not there: {missing:#?}");
    }
}

#[test]
fn files_that_the_documents_name_are_there() {
    let sources: BTreeSet<_> = rust_files().iter().filter_map(|path| path.file_name().map(ToOwned::to_owned)).collect();
    let mut missing = Vec::new();
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        let is_about_code = ABOUT_CODE.iter().any(|name| document.ends_with(name));
        for name in quoted(&text).filter(|name| is_file_name(name, is_about_code)) {
            let below = |folder: &str| project().join(folder).join(name);
            let room = [below("src"), below("src").with_extension("rs")];
            let is_there = below("").exists()
                || is_about_code && room.iter().any(|path| path.exists())
                || is_about_code && sources.contains(name.as_ref() as &std::ffi::OsStr);
            if !is_there {
                missing.push(format!("{}: {name}", document.display()));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut broken = Vec::new();
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") {
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { document.clone() } else { document.parent().unwrap().join(file) };
            if !target.exists() || !has_anchor(&target, anchor) {
                broken.push(format!("{}: {link}", document.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn the_glossary_is_sorted_and_its_references_are_in_it() {
    let text = read("docs/glossary.md");
    let rows = || text.lines().filter(|line| line.starts_with("| ")).skip(1);
    let words: Vec<&str> = rows().map(|line| line[2..].split(" |").next().unwrap()).collect();
    assert!(words.is_sorted(), "{words:?}");
    for row in rows() {
        for reference in row.split('*').skip(1).step_by(2) {
            let known = words.iter().any(|word| reference == *word || reference.strip_suffix('s') == Some(word));
            assert!(known, "{reference} in: {row}");
        }
    }
}

#[test]
fn exit_codes_are_documented_as_they_are() {
    let code = |text: &str| text.trim().parse::<u8>().ok();
    let text = read("docs/cli.md");
    let documented: BTreeSet<u8> = text.lines().filter_map(|line| code(line.split('|').nth(1)?)).collect();
    let source = read("src/cli/exit.rs");
    let numbers = source.lines().filter_map(|line| code(line.split_once(" = ")?.1.trim_end_matches(',')));
    assert_eq!(documented, numbers.collect());
}

#[test]
fn documents_that_the_code_refers_to_are_there() {
    for file in rust_files() {
        let text = fs::read_to_string(&file).unwrap();
        for rest in text.split("docs/").skip(1) {
            let name = rest.split(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c))).next().unwrap();
            if let Some(name) = name.find(".md").map(|end| &name[..end + 3]) {
                let there = project().join("docs").join(name).exists();
                assert!(there, "{} refers to docs/{name}", file.display());
            }
        }
    }
}

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    fs::read_to_string(project().join(name)).unwrap()
}

fn documents() -> Vec<PathBuf> {
    let folders = [project().to_path_buf(), project().join("docs")];
    let entries = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    entries.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "md")).collect()
}

/// What stands in backticks, without blocks of code.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split("```").step_by(2).flat_map(|text| text.split('`').skip(1).step_by(2))
}

/// What the code names by its path: `src/x/y.rs`, `x/y.rs`, `x/y`, `y.rs`. Elsewhere such words may be names of objects, so only those
/// count that begin with a folder of the project.
fn is_file_name(text: &str, is_about_code: bool) -> bool {
    let is_plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c)) && !text.starts_with('/');
    let is_path = text.contains('/') || text.ends_with(".rs");
    let folders = [".ci/", "docs/", "launchd/", "src/", "systemd/", "tests/"];
    is_plain && is_path && (is_about_code || folders.iter().any(|folder| text.starts_with(folder)))
}

/// In the documents that name tests every word in snake case is one, but for these.
fn is_test_name(text: &str) -> bool {
    const OTHERS: [&str; 1] = ["io_submit"];
    let is_snake = text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    is_snake && text.contains('_') && !OTHERS.contains(&text)
}

/// Functions with `#[test]` before them.
fn test_names() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in rust_files() {
        let text = fs::read_to_string(file).unwrap();
        let mut is_test = false;
        for line in text.lines().map(str::trim) {
            if line == "#[test]" {
                is_test = true;
            } else if let Some(rest) = line.strip_prefix("fn ") {
                names.extend(is_test.then(|| rest.split('(').next().unwrap().to_owned()));
                is_test = false;
            }
        }
    }
    names
}

fn rust_files() -> Vec<PathBuf> {
    let (mut files, mut open) = (Vec::new(), vec![project().join("src"), project().join("tests")]);
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// As people's viewers make them: small letters, dashes for spaces, no punctuation.
fn has_anchor(document: &Path, anchor: &str) -> bool {
    if anchor.is_empty() {
        return true;
    }
    let text = fs::read_to_string(document).unwrap();
    let mut headings =
        text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    headings.any(|heading| {
        let kept =
            heading.to_lowercase().chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).collect::<String>();
        kept.replace(' ', "-") == anchor
    })
}
