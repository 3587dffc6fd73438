//! Finding names in a snapshot.

use super::HistoryError;
use super::entries::{HistoryEvent, walk};
use crate::format::Manifest;
use crate::model::RelPath;
use crate::repo::Contents;

/// What a name must look like.
#[derive(Clone, Debug)]
pub struct Pattern {
    regex: regex::bytes::Regex,
    whole_path: bool,
}

impl Pattern {
    /// With `*`, `?` or `[…]` a glob for the whole name, else a part of the name; with a slash for the whole path, from `/` on,
    /// instead of the name. Without regard to case when `ignore_case`.
    pub fn new(text: &str, ignore_case: bool) -> Self {
        let has_class = text.split_once('[').is_some_and(|(_, rest)| rest.contains(']'));
        let is_glob = has_class || text.contains(['*', '?']);
        let whole_path = text.contains('/');
        let body = if is_glob { glob(text) } else { regex::escape(text) };
        let expression = match (is_glob, whole_path) {
            (false, _) => body,
            (true, false) => format!("^{body}$"),
            (true, true) => format!("(^|/){}$", body.trim_start_matches('/')),
        };
        let build = |text: &str| {
            regex::bytes::RegexBuilder::new(text)
                .case_insensitive(ignore_case)
                .dot_matches_new_line(true)
                .unicode(false)
                .build()
        };
        // a class such as `[z-a]` makes no expression: then every character stands for itself
        let regex = build(&expression).or_else(|_| build(&regex::escape(text)));
        Self { regex: regex.expect("escaped text is an expression"), whole_path }
    }

    /// `root`: the path of the folder that `path` is in, as it was on the machine.
    pub fn matches(&self, root: &[u8], path: &RelPath) -> bool {
        if !self.whole_path {
            return self.regex.is_match(path.name());
        }
        let root = root.strip_suffix(b"/").unwrap_or(root);
        self.regex.is_match(&[root, b"/", path.as_bytes()].concat())
    }
}

/// All entries whose names match, in the order of the tree. `each` answers whether to go on.
pub fn find(
    contents: &Contents,
    manifest: &Manifest,
    pattern: &Pattern,
    each: &mut dyn FnMut(HistoryEvent) -> bool,
) -> Result<(), HistoryError> {
    for root in 0..manifest.body.roots.len() {
        let place = &manifest.body.roots[root].path[..];
        let flow = walk(contents, manifest, root, &RelPath::root(), &mut |event| match event {
            HistoryEvent::Entry(found) if !pattern.matches(place, &found.path) => true,
            event => each(event),
        });
        if flow.is_break() {
            break;
        }
    }
    Ok(())
}

/// `*` and `?` stay within a name, `**` does not.
fn glob(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '*' if rest.next_if_eq(&'*').is_some() => out.push_str(".*"),
            '*' => out.push_str("[^/]*"),
            '?' => out.push_str("[^/]"),
            '[' => out.push_str(&class(&mut rest)),
            c => out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
        }
    }
    out
}

/// What follows `[`; without a closing bracket it is a plain character.
fn class(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> String {
    let inside: String = rest.clone().enumerate().take_while(|(at, c)| *c != ']' || *at == 0).map(|(_, c)| c).collect();
    if rest.clone().count() == inside.chars().count() {
        return "\\[".to_owned();
    }
    // the characters of the class and the bracket that closes it
    rest.by_ref().take(inside.chars().count() + 1).for_each(drop);
    let (not, inside) = match inside.strip_prefix('!') {
        Some(inside) => ("^", inside),
        None => ("", &inside[..]),
    };
    format!("[{not}{}]", inside.replace('\\', "\\\\").replace('[', "\\[").replace('^', "\\^").replace('&', "\\&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_is_a_part_of_the_name_and_globs_are_the_whole_of_it() {
        let cases = [
            ("report", "a/my-report.txt", true),
            ("report", "report/x", false),
            ("*.txt", "a/b.txt", true),
            ("*.txt", "a/b.txt.old", false),
            ("b?", "a/b1", true),
            ("[ab]1", "x/b1", true),
            ("[!ab]1", "x/b1", false),
            ("a/*.rs", "x/a/m.rs", true),
            ("a/*.rs", "x/a/b/m.rs", false),
            ("a/**.rs", "x/a/b/m.rs", true),
            ("a.c", "abc", false),
            ("[", "x/a[1", true),
            ("[z-a]", "x/q", false),
            // as `find` itself prints them
            ("/home/u/a/b", "a/b", true),
            ("/home/u/a/*", "a/b", true),
            ("/home/u/*", "a/b", false),
            ("u/a/?", "a/b", true),
            ("/home/v/*", "a", false),
        ];
        for (pattern, path, expected) in cases {
            let path = RelPath::parse(path.as_bytes()).unwrap();
            assert_eq!(Pattern::new(pattern, false).matches(b"/home/u", &path), expected, "{pattern} {path:?}");
        }
        assert!(Pattern::new("REPORT", true).matches(b"/home/u", &RelPath::parse(b"my-report").unwrap()));
    }
}
