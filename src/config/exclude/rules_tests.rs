//! Excludes decided on paths, as a walk would ask.

use super::*;

fn path(text: impl AsRef<[u8]>) -> RelPath {
    RelPath::parse(text.as_ref()).unwrap()
}

fn bare() -> ExcludeConfig {
    ExcludeConfig { default_list: false, ..ExcludeConfig::default() }
}

fn with_globs(globs: &[&str]) -> Rules {
    Rules::compile(&ExcludeConfig { globs: globs.iter().map(|g| g.to_string()).collect(), ..bare() }).unwrap()
}

fn excluded(rules: &Rules, text: &str) -> bool {
    rules.excludes(&path(text), text.ends_with("dir"), 0).is_some()
}

#[test]
fn globs_match_like_lines_of_a_gitignore_at_the_root() {
    let rules = with_globs(&["*.iso", "/top", "a/b", "only/", "!keep.iso", "\\!odd", "# nothing", "x/**/y"]);
    for yes in ["a.iso", "d/a.iso", "top", "a/b", "!odd", "x/y", "x/1/2/y"] {
        assert!(excluded(&rules, yes), "{yes}");
    }
    for no in ["keep.iso", "d/keep.iso", "d/top", "d/a/b", "only", "iso", "# nothing"] {
        assert!(!excluded(&rules, no), "{no}");
    }
    assert_eq!(rules.excludes(&path("only"), true, 0), Some(Reason::Glob("only/".into())));
}

#[test]
fn ignore_files_stay_whatever_leaves_them_out() {
    let (rules, _) = with_globs(&[".*"]).enter(&path("d"), &[(b".rozenignore", b"*ignore\n*.o\n")]);
    assert!(excluded(&rules, "d/.other") && excluded(&rules, "d/x.o") && excluded(&rules, "d/.gitignore"));
    assert!(!excluded(&rules, "d/.rozenignore"));
    let marked = rules.enter_marked(&path("d"), Reason::CacheDir);
    assert!(excluded(&marked, "d/.rozenignore"), "nothing else stays there");
}

#[test]
fn only_blanks_are_cut_off_at_the_end_of_a_line() {
    let rules = with_globs(&["tab\t", "blank  ", "kept\\ "]);
    assert!(excluded(&rules, "tab\t") && excluded(&rules, "blank") && excluded(&rules, "kept "));
    assert!(!excluded(&rules, "tab") && !excluded(&rules, "kept"));
}

#[test]
fn a_regular_expression_that_leaves_out_everything_is_refused() {
    for pattern in ["", ".*", "x*", "a|"] {
        let error = crate::config::exclude::check_pattern(true, pattern).unwrap_err();
        assert!(error.pattern == pattern && error.reason.contains("every path"), "{error}");
    }
    crate::config::exclude::check_pattern(true, "x.*|^tmp/").unwrap();
}

#[test]
fn braces_are_written_with_a_backslash_each() {
    let rules = with_globs(&[r"\{a,b\}", "{c,d}"]);
    for yes in ["{a,b}", "c", "d"] {
        assert!(excluded(&rules, yes), "{yes}");
    }
    assert!(!excluded(&rules, "a"));
}

#[test]
fn names_that_are_not_text_match_by_their_bytes() {
    let rules = with_globs(&["*.tmp"]);
    assert!(rules.excludes(&path(b"d/\xff\xfe\n.tmp"), false, 0).is_some());
    assert!(rules.excludes(&path(b"d/\xff\xfe.tm"), false, 0).is_none());
    let rules = Rules::compile(&ExcludeConfig { regex: vec![r"(?-u)^\xff+/".into()], ..bare() }).unwrap();
    assert_eq!(rules.excludes(&path(b"\xff\xff/a"), false, 0), Some(Reason::Regex(r"(?-u)^\xff+/".into())));
    assert!(rules.excludes(&path(b"a/\xff/a"), false, 0).is_none());
}

#[test]
fn the_nearest_ignore_file_wins_and_holds_for_its_directory_alone() {
    let top = with_globs(&["*.log"]);
    let (top, faults) = top.enter(&path(""), &[(b".rozenignore", b"*.bak\n!here.log\n")]);
    assert!(faults.is_empty());
    let (sub, _) = top.enter(&path("sub"), &[(b".rozenignore", b"/anchored\n!*.bak\r\nhere.log\n")]);
    assert!(excluded(&top, "a.log") && excluded(&top, "a.bak") && !excluded(&top, "here.log"));
    assert!(excluded(&sub, "sub/a.log") && !excluded(&sub, "sub/a.bak") && excluded(&sub, "sub/here.log"));
    assert!(excluded(&sub, "sub/anchored") && !excluded(&sub, "sub/d/anchored"));
    assert!(!excluded(&top, "sub/anchored"), "the rules above must not change");
    let reason = sub.excludes(&path("sub/anchored"), false, 0);
    assert_eq!(reason, Some(Reason::IgnoreFile { dir: path("sub"), line: "/anchored".into() }));
}

#[test]
fn a_line_that_cannot_be_used_is_named_and_excludes_nothing() {
    let (rules, faults) =
        with_globs(&[]).enter(&path("d"), &[(b".rozenignore", b"\xef\xbb\xbf*.a\n[z\n\xff\xff\n*.b")]);
    assert_eq!(faults.len(), 2);
    assert!(faults.iter().all(|f| f.file == path("d/.rozenignore")));
    assert!(excluded(&rules, "d/1.a") && excluded(&rules, "d/1.b") && !excluded(&rules, "d/[z"));
}

#[test]
fn including_lines_win_over_regex_size_and_the_shipped_list() {
    let config = ExcludeConfig {
        globs: vec!["!want*".into()],
        regex: vec!["w.nt".into()],
        larger_than: Some(Size(100)),
        ..ExcludeConfig::default()
    };
    let rules = Rules::compile(&config).unwrap();
    assert_eq!(rules.excludes(&path("d/wants.pyc"), false, 101), None);
    assert_eq!(rules.excludes(&path("wont"), false, 0), Some(Reason::Regex("w.nt".into())));
    assert_eq!(rules.excludes(&path("big"), false, 101), Some(Reason::LargerThan(Size(100))));
    assert_eq!(rules.excludes(&path("big"), false, 100), None);
    assert_eq!(rules.excludes(&path("big"), true, 101), None, "directories have no size that counts");
    assert_eq!(rules.excludes(&path("a.pyc"), false, 0), Some(Reason::DefaultList("*.pyc".into())));
}

#[test]
fn the_shipped_list_takes_caches_and_leaves_work_alone() {
    let rules = Rules::compile(&ExcludeConfig::default()).unwrap();
    for dir in [
        ".cache",
        "ann/.cache",
        "p/__pycache__",
        ".Trash-1000",
        ".local/share/Trash",
        "ann/.config/google-chrome/Default/Code Cache",
    ] {
        assert!(rules.excludes(&path(dir), true, 0).is_some(), "{dir}");
    }
    for dir in ["", "tmp", "dev", "run", "target", "node_modules", "cache", ".config", "Cache", ".mozilla/firefox/x"] {
        assert!(rules.excludes(&path(dir), true, 0).is_none(), "{dir}");
    }
    assert!(rules.excludes(&path(".cache"), false, 0).is_none(), "a file of that name is no cache");
    for line in DEFAULT_LIST.lines() {
        check(line);
    }
    fn check(line: &str) {
        super::super::check_pattern(false, line).unwrap();
    }
}

#[test]
fn a_marked_directory_keeps_its_marker_alone() {
    let rules = with_globs(&[]);
    let dir = path("build");
    let tagged = [CACHEDIR_SIGNATURE, b"\n# more"].concat();
    assert_eq!(rules.marker(&dir, |_| false, Some(&tagged)), Some(Reason::CacheDir));
    assert_eq!(rules.marker(&dir, |_| false, Some(b"Signature: other")), None);
    assert_eq!(rules.marker(&path(""), |_| true, Some(&tagged)), None, "the root was named by its owner");
    let reason = rules.marker(&dir, |name| name == b".nobackup", None).unwrap();
    assert_eq!(reason, Reason::IfPresent(".nobackup".into()));
    let inside = rules.enter_marked(&dir, reason);
    assert!(
        !excluded(&inside, "build/.nobackup") && excluded(&inside, "build/a") && excluded(&inside, "build/a/.nobackup")
    );
    assert!(!excluded(&inside, "builder"));
}

#[test]
fn who_does_not_walk_asks_for_the_parents_too() {
    let rules = with_globs(&["skip/"]);
    assert!(rules.excludes(&path("skip/a/b"), true, 0).is_none());
    assert!(rules.excludes_with_parents(&path("skip/a/b"), true).is_some());
    assert!(rules.excludes_with_parents(&path("a/skip"), true).is_some());
    assert!(rules.excludes_with_parents(&path(""), true).is_none());
}

#[test]
fn the_fingerprint_changes_with_the_rules() {
    let prints = [&[][..], &["a"], &["b"]].map(|globs| with_globs(globs).fingerprint());
    assert!(prints[0] != prints[1] && prints[1] != prints[2]);
    assert_ne!(Rules::compile(&ExcludeConfig::default()).unwrap().fingerprint(), prints[0]);
}

#[test]
fn patterns_that_cannot_be_compiled_are_errors_that_name_them() {
    for config in [
        ExcludeConfig { globs: vec!["ok".into(), "[z".into()], ..bare() },
        ExcludeConfig { regex: vec!["ok".into(), "(z".into()], ..bare() },
    ] {
        let error = Rules::compile(&config).unwrap_err();
        assert!(error.pattern.ends_with('z') && !error.reason.is_empty(), "{error}");
    }
    assert!(Rules::compile(&ExcludeConfig { regex: vec!["(a{1000}){1000}".into()], ..bare() }).is_err());
}
