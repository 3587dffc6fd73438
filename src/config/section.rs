//! Reads one TOML table key by key and collects every fault with its line instead of stopping at the first.
//!
//! A [`Section`] knows which keys were asked of it: at [`Section::finish`] whatever else stands in the table is
//! unknown. So the list of known keys cannot drift from the code that reads them.

use std::cell::RefCell;
use std::collections::BTreeSet;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Fault, FaultKind};

/// The text of a configuration and what was found wrong in it.
pub(super) struct Document<'t> {
    text: &'t str,
    faults: RefCell<Vec<Fault>>,
    asked: RefCell<BTreeSet<String>>,
}

impl<'t> Document<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, faults: RefCell::default(), asked: RefCell::default() }
    }

    pub(super) fn line_at(&self, offset: usize) -> usize {
        1 + self.text.as_bytes()[..offset.min(self.text.len())].iter().filter(|b| **b == b'\n').count()
    }

    pub(super) fn fault(&self, line: usize, key: String, kind: FaultKind) {
        self.faults.borrow_mut().push(Fault { line, key, kind });
    }

    pub(super) fn into_faults(self) -> Vec<Fault> {
        let mut faults = self.faults.into_inner();
        faults.sort_by_key(|fault| fault.line);
        faults
    }

    /// Every key that the parser asked for, as docs/config.md names it: `run.settle`, `root.path`.
    #[cfg(test)]
    pub(super) fn asked(&self) -> BTreeSet<String> {
        self.asked.borrow().clone()
    }
}

/// A value and the line that it stands on.
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) line: usize,
}

/// One table; absent tables read as empty ones.
pub(super) struct Section<'d, 't> {
    document: &'d Document<'t>,
    /// For people, with a number in lists: `root[2]`. Empty at the top.
    path: String,
    /// As the documentation names it, without numbers.
    generic: String,
    line: usize,
    table: DeTable<'t>,
    asked: Vec<&'static str>,
}

impl<'d, 't> Section<'d, 't> {
    pub(super) fn top(document: &'d Document<'t>, table: DeTable<'t>) -> Self {
        Self { document, path: String::new(), generic: String::new(), line: 1, table, asked: Vec::new() }
    }

    pub(super) fn string(&mut self, key: &'static str, expected: &'static str) -> Option<At<String>> {
        let (line, value) = self.take(key)?;
        match value {
            DeValue::String(text) => Some(At { value: text.into_owned(), line }),
            other => self.wrong(key, line, expected, &other),
        }
    }

    pub(super) fn boolean(&mut self, key: &'static str) -> Option<bool> {
        let (line, value) = self.take(key)?;
        match value {
            DeValue::Boolean(value) => Some(value),
            other => self.wrong(key, line, "true or false", &other),
        }
    }

    pub(super) fn integer(&mut self, key: &'static str, expected: &'static str) -> Option<At<i64>> {
        let (line, value) = self.take(key)?;
        let number = match &value {
            DeValue::Integer(digits) => i64::from_str_radix(digits.as_str(), digits.radix()).ok(),
            _ => None,
        };
        match number {
            Some(value) => Some(At { value, line }),
            None => self.wrong(key, line, expected, &value),
        }
    }

    /// A string with a syntax of its own.
    pub(super) fn parsed<T>(
        &mut self,
        key: &'static str,
        expected: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<At<T>> {
        let At { value: text, line } = self.string(key, expected)?;
        match parse(&text) {
            Some(value) => Some(At { value, line }),
            None => self.wrong_text(key, line, expected, &text),
        }
    }

    pub(super) fn strings(&mut self, key: &'static str) -> Option<Vec<At<String>>> {
        const EXPECTED: &str = "a list of strings such as [\"a\", \"b\"]";
        let (line, value) = self.take(key)?;
        let DeValue::Array(items) = value else { return self.wrong(key, line, EXPECTED, &value) };
        let mut strings = Vec::new();
        for item in items {
            let line = self.document.line_at(item.span().start);
            match item.into_inner() {
                DeValue::String(text) => strings.push(At { value: text.into_owned(), line }),
                other => return self.wrong(key, line, EXPECTED, &other),
            }
        }
        Some(strings)
    }

    pub(super) fn table(&mut self, key: &'static str) -> Section<'d, 't> {
        let taken = self.take(key);
        let line = taken.as_ref().map_or(self.line, |(line, _)| *line);
        let table = match taken {
            Some((_, DeValue::Table(table))) => table,
            Some((line, other)) => {
                self.wrong::<()>(key, line, "a table", &other);
                DeTable::new()
            }
            None => DeTable::new(),
        };
        self.below(self.name(key), key, line, table)
    }

    /// The tables of `[[key]]`, in order.
    pub(super) fn tables(&mut self, key: &'static str, expected: &'static str) -> Vec<Section<'d, 't>> {
        let Some((line, value)) = self.take(key) else { return Vec::new() };
        let DeValue::Array(items) = value else {
            self.wrong::<()>(key, line, expected, &value);
            return Vec::new();
        };
        let mut sections = Vec::new();
        for (number, item) in items.into_iter().enumerate() {
            let line = self.document.line_at(item.span().start);
            let path = format!("{}[{}]", self.name(key), number + 1);
            match item.into_inner() {
                DeValue::Table(table) => sections.push(self.below(path, key, line, table)),
                other => self.fault_named(path, line, wrong_type("a table", &other)),
            }
        }
        sections
    }

    /// A fault of `key` that only its meaning shows.
    pub(super) fn fault(&self, key: &str, line: usize, kind: FaultKind) {
        self.fault_named(self.name(key), line, kind);
    }

    pub(super) fn bad_value(&self, key: &str, line: usize, reason: impl Into<String>) {
        self.fault(key, line, FaultKind::BadValue { reason: reason.into() });
    }

    /// `key` is missing, unless what stands there was found wrong already.
    pub(super) fn require(&self, key: &str, expected: &'static str) {
        let name = self.name(key);
        if !self.document.faults.borrow().iter().any(|fault| fault.key.starts_with(&name)) {
            self.fault_named(name, self.line, FaultKind::Missing { expected });
        }
    }

    pub(super) fn line(&self) -> usize {
        self.line
    }

    /// What nobody asked for is unknown.
    pub(super) fn finish(self) {
        for (key, _) in self.table.iter() {
            let line = self.document.line_at(key.span().start);
            let nearest = nearest(key.get_ref(), &self.asked);
            let kind = FaultKind::UnknownKey { nearest, known: self.asked.clone() };
            self.fault_named(self.name(key.get_ref()), line, kind);
        }
    }

    fn take(&mut self, key: &'static str) -> Option<(usize, DeValue<'t>)> {
        self.asked.push(key);
        self.document.asked.borrow_mut().insert(joined(&self.generic, key));
        let found = self.table.remove(key)?;
        Some((self.document.line_at(found.span().start), Spanned::into_inner(found)))
    }

    fn below(&self, path: String, key: &str, line: usize, table: DeTable<'t>) -> Section<'d, 't> {
        let generic = joined(&self.generic, key);
        Section { document: self.document, path, generic, line, table, asked: Vec::new() }
    }

    fn name(&self, key: &str) -> String {
        joined(&self.path, key)
    }

    fn fault_named(&self, key: String, line: usize, kind: FaultKind) {
        self.document.fault(line, key, kind);
    }

    fn wrong<T>(&self, key: &str, line: usize, expected: &'static str, found: &DeValue<'_>) -> Option<T> {
        self.fault(key, line, wrong_type(expected, found));
        None
    }

    fn wrong_text<T>(&self, key: &str, line: usize, expected: &'static str, found: &str) -> Option<T> {
        self.fault(key, line, FaultKind::WrongType { expected, found: format!("the text {found:?}") });
        None
    }
}

fn joined(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn wrong_type(expected: &'static str, found: &DeValue<'_>) -> FaultKind {
    let found = match found {
        DeValue::String(text) => format!("the text {text:?}"),
        DeValue::Integer(digits) => format!("the number {digits}"),
        DeValue::Float(digits) => format!("the number {digits}"),
        DeValue::Boolean(value) => value.to_string(),
        DeValue::Datetime(value) => format!("the date {value}"),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    };
    FaultKind::WrongType { expected, found }
}

/// Near enough that a person may have meant it: one slip of the fingers, or alike by Jaro-Winkler.
fn nearest(key: &str, known: &[&'static str]) -> Option<&'static str> {
    let plain = key.to_ascii_lowercase().replace('-', "_");
    let score = |candidate: &str| match strsim::osa_distance(&plain, candidate) {
        0 | 1 => 1.0,
        _ => strsim::jaro_winkler(&plain, candidate),
    };
    let scored = known.iter().map(|candidate| (score(candidate), *candidate));
    scored.filter(|(score, _)| *score > 0.75).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, candidate)| candidate)
}
