//! The outer form of key files: named lines of text with a version and a checksum (docs/format.md, "Key files").
//!
//! The checksum is over names and values, not over bytes: comments may be edited and line ends converted, as
//! happens to files that people keep, but no value can change unnoticed. It is no protection against intent.

use zeroize::Zeroizing;

use super::KeyFileError;
use super::hash::hash_fields;
use super::text::{hex, unhex};

const CHECKSUM: &str = "checksum";

/// What kind of file it is.
pub(super) struct Kind {
    /// The first line up to the version number.
    pub magic: &'static str,
    /// For messages.
    pub name: &'static str,
    pub version: u32,
    /// All names that may occur, each at most once.
    pub names: &'static [&'static str],
}

impl Kind {
    pub fn damaged(&self, what: impl Into<String>) -> KeyFileError {
        KeyFileError::Damaged { kind: self.name, what: what.into() }
    }

    fn first_line(&self) -> String {
        format!("{}{}", self.magic, self.version)
    }
}

/// A file being written.
pub(super) struct ArmourWriter {
    kind: &'static Kind,
    text: Zeroizing<String>,
    fields: Fields,
}

/// A file that was read; its checksum fits.
pub(super) struct Armour {
    kind: &'static Kind,
    fields: Fields,
}

type Fields = Vec<(String, Zeroizing<String>)>;

impl ArmourWriter {
    pub fn new(kind: &'static Kind) -> Self {
        // large enough for every key file: growing would leave copies of secrets behind
        let mut text = Zeroizing::new(String::with_capacity(8192));
        text.push_str(&kind.first_line());
        text.push('\n');
        Self { kind, text, fields: Vec::new() }
    }

    /// Lines for people; an empty one for a gap.
    pub fn comment(mut self, lines: &str) -> Self {
        for line in lines.lines() {
            self.text.push_str(if line.is_empty() { "#" } else { "# " });
            self.text.push_str(line);
            self.text.push('\n');
        }
        self
    }

    pub fn field(mut self, name: &'static str, value: impl AsRef<str>) -> Self {
        let value = value.as_ref();
        debug_assert!(self.kind.names.contains(&name) && !value.contains(['\n', '\r']));
        for part in [name, ": ", value, "\n"] {
            self.text.push_str(part);
        }
        self.fields.push((name.to_string(), Zeroizing::new(value.to_string())));
        self
    }

    pub fn hex_field(self, name: &'static str, bytes: &[u8]) -> Self {
        let value = Zeroizing::new(hex(bytes));
        self.field(name, &*value)
    }

    pub fn finish(mut self) -> Zeroizing<String> {
        let line = format!("{CHECKSUM}: {}\n", checksum(self.kind, &self.fields));
        self.text.push_str(&line);
        self.text
    }
}

impl Armour {
    pub fn parse(kind: &'static Kind, text: &str) -> Result<Self, KeyFileError> {
        let mut lines = text.trim_start_matches('\u{feff}').lines().map(str::trim).filter(|line| !line.is_empty());
        check_version(kind, lines.next().unwrap_or(""))?;
        let mut fields: Fields = Vec::new();
        for line in lines.filter(|line| !line.starts_with('#')) {
            let (name, value) =
                line.split_once(':').ok_or_else(|| kind.damaged("a line is neither a field nor a comment"))?;
            let (name, value) = (name.trim(), value.trim());
            if name == CHECKSUM {
                let fits = value == checksum(kind, &fields);
                return if fits { Ok(Self { kind, fields }) } else { Err(kind.damaged("its checksum does not fit")) };
            }
            if !kind.names.contains(&name) || fields.iter().any(|(known, _)| known == name) {
                return Err(kind.damaged(format!("the line {name:.40?} is unknown or stands twice")));
            }
            fields.push((name.to_string(), Zeroizing::new(value.to_string())));
        }
        Err(kind.damaged("its end is missing"))
    }

    pub fn find(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn require(&self, name: &str) -> Result<&str, KeyFileError> {
        self.find(name).ok_or_else(|| self.kind.damaged(format!("{name} is missing")))
    }

    pub fn number(&self, name: &str) -> Result<u64, KeyFileError> {
        self.require(name)?.parse().map_err(|_| self.kind.damaged(format!("{name} is no number")))
    }

    pub fn bytes<const N: usize>(&self, name: &str) -> Result<Zeroizing<[u8; N]>, KeyFileError> {
        let bytes = unhex(self.require(name)?).map(Zeroizing::new);
        let array = bytes.and_then(|bytes| bytes.as_slice().try_into().ok()).map(Zeroizing::new);
        array.ok_or_else(|| self.kind.damaged(format!("{name} is not {N} bytes in hexadecimal")))
    }
}

fn check_version(kind: &Kind, first_line: &str) -> Result<(), KeyFileError> {
    let version = first_line.strip_prefix(kind.magic).ok_or(KeyFileError::NotKeyFile(kind.name))?;
    match version.parse::<u32>() {
        Ok(found) if found == kind.version => Ok(()),
        Ok(found) if found > kind.version => Err(KeyFileError::Newer { kind: kind.name, found, known: kind.version }),
        _ => Err(kind.damaged("its first line has no version")),
    }
}

/// H(D("rozen.v1/key-file", first line, name, value, …)) in hex.
fn checksum(kind: &Kind, fields: &Fields) -> String {
    let first_line = kind.first_line();
    let mut parts: Vec<&[u8]> = vec![first_line.as_bytes()];
    parts.extend(fields.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]));
    hex(&hash_fields("rozen.v1/key-file", &parts))
}
