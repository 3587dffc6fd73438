//! TOML text → [`Config`], or every fault in it.

use std::ffi::OsString;
use std::ops::RangeInclusive;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use toml::de::DeTable;

use super::exclude::check_pattern;
use super::limits::{parse_minute, parse_rate};
use super::section::{At, Document, Section};
use super::{
    ArchiveConfig, Config, ConfigError, ExcludeConfig, ExcludeLayer, FaultKind, LimitWindow, LimitsConfig, LogConfig,
    LogLevel, RootConfig, RunConfig, Size, Tier, format_duration, parse_duration,
};
use crate::model::{MergeRule, Rates, RootId, StorageClass, base64_decode};

const DURATION: &str = "a duration such as \"10s\" or \"1h30m\"";
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

impl Config {
    /// `path` is where the text came from: errors name it, relative paths begin beside it.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let document = Document::new(text);
        let table = DeTable::parse(text).map_err(|error| ConfigError::Syntax {
            path: path.into(),
            line: document.line_at(error.span().map_or(0, |span| span.start)),
            message: error.message().to_owned(),
        })?;
        let config = top(Section::top(&document, table.into_inner()), path);
        let faults = document.into_faults();
        if faults.is_empty() { Ok(config) } else { Err(ConfigError::Invalid { path: path.into(), faults }) }
    }
}

pub(super) fn top(mut section: Section<'_, '_>, path: &Path) -> Config {
    let repository = repository(&mut section);
    // a repository that could not be read has a fault of its own
    let has_classes = repository.is_empty() || repository.starts_with("s3:");
    let config = Config {
        repository,
        machine_key: machine_key(&mut section, path),
        roots: roots(&mut section, has_classes),
        exclude: ExcludeConfig::default().replaced_by(exclude(section.table("exclude"))),
        run: run(section.table("run")),
        archive: archive(section.table("archive")),
        limits: limits(section.table("limits")),
        log: log(section.table("log")),
    };
    section.finish();
    config
}

fn repository(section: &mut Section<'_, '_>) -> String {
    const EXPECTED: &str = "the URL of the repository such as \"file:///mnt/backup\"";
    let before = section.string("repository", EXPECTED);
    match before {
        Some(At { value, line }) if value.trim().is_empty() => {
            section.fault("repository", line, FaultKind::Missing { expected: EXPECTED });
            String::new()
        }
        // the agent and a person in a shell stand in different directories
        Some(At { value, line }) if !value.starts_with('/') && !value.contains("://") => {
            let reason =
                "it must be a URL, or begin with `/`: a relative path would be another one elsewhere".to_owned();
            section.fault("repository", line, FaultKind::BadValue { reason });
            String::new()
        }
        Some(At { value, line }) => match no_target(&value) {
            Some(reason) => {
                section.bad_value("repository", line, reason);
                String::new()
            }
            None => value,
        },
        None => {
            section.require("repository", EXPECTED);
            String::new()
        }
    }
}

/// Why this is no repository, as far as its beginning tells: what a URL says in full the room `store` knows.
fn no_target(url: &str) -> Option<&'static str> {
    if url.contains('\0') {
        return Some("it must not hold a NUL byte");
    }
    match url.split_once("://")? {
        ("file", rest) if rest.starts_with('/') => None,
        ("file", _) => Some("it must be file:///path: three slashes, and no host"),
        ("s3", rest) if rest.starts_with(['/', '?']) || rest.is_empty() => {
            Some("it names no bucket: s3://bucket/prefix")
        }
        // told as not supported yet
        ("s3" | "sftp", _) => None,
        (scheme, _) if scheme.starts_with('/') => None,
        _ => Some("it must begin with file:// or s3://, or with `/`"),
    }
}

fn machine_key(section: &mut Section<'_, '_>, config: &Path) -> PathBuf {
    match section.string("machine_key", "the path of a file") {
        // joining an absolute path replaces the base
        Some(At { value, line }) if value.is_empty() => {
            section.bad_value("machine_key", line, "it is empty; leave it out for the usual place");
            config.with_extension("key")
        }
        Some(At { value, .. }) => config.parent().unwrap_or(Path::new("")).join(value),
        None => config.with_extension("key"),
    }
}

fn roots(section: &mut Section<'_, '_>, has_classes: bool) -> Vec<RootConfig> {
    let mut roots: Vec<RootConfig> = Vec::new();
    let tables = section.tables("root", "a list of tables, each begun by [[root]]");
    if tables.is_empty() {
        section.require("root", "at least one directory to protect: [[root]] with `id` and `path`");
    }
    for table in tables {
        if let Some(new) = root(table, &roots, has_classes) {
            roots.push(new);
        }
    }
    roots
}

fn root(mut section: Section<'_, '_>, before: &[RootConfig], has_classes: bool) -> Option<RootConfig> {
    const ID: &str = "a short name such as \"home\" (a-z, 0-9, `_`, `-`)";
    let line = section.line();
    let id = section.parsed("id", ID, |text| text.parse::<RootId>().ok());
    let path = root_path(&mut section);
    let tier = section.parsed("tier", "\"normal\" or \"worm\"", Tier::parse);
    if let Some(At { value: Tier::Worm, line }) = tier {
        let reason = "this version keeps every root as \"normal\"; leave `tier` out";
        section.fault("tier", line, FaultKind::NotYet { reason });
    }
    let class = class(&mut section, has_classes);
    let exclude = exclude(section.table("exclude"));
    if id.is_none() {
        section.require("id", ID);
    }
    for other in before {
        if id.as_ref().is_some_and(|id| id.value == other.id) {
            section.bad_value("id", line, format!("another root has the id `{}` already", other.id));
        }
        if path.as_ref() == Some(&other.path) {
            section.bad_value("path", line, format!("the root `{}` has this path already", other.id));
        }
    }
    section.finish();
    Some(RootConfig { id: id?.value, path: path?, tier: tier.map(|t| t.value).unwrap_or_default(), class, exclude })
}

fn class(section: &mut Section<'_, '_>, has_classes: bool) -> StorageClass {
    const EXPECTED: &str = "STANDARD, STANDARD_IA, GLACIER_IR, GLACIER or DEEP_ARCHIVE";
    let Some(At { value, line }) = section.parsed("class", EXPECTED, |text| text.parse::<StorageClass>().ok()) else {
        return StorageClass::default();
    };
    if !has_classes && value != StorageClass::default() {
        section.bad_value(
            "class",
            line,
            "this repository's target has no storage classes (only s3:// has); leave it out",
        );
    }
    value
}

/// Given as text, or in base64 where its bytes are no text.
fn root_path(section: &mut Section<'_, '_>) -> Option<PathBuf> {
    const EXPECTED: &str = "the absolute path of a directory such as \"/home/ann\"";
    let text = section.string("path", EXPECTED);
    let encoded = section.parsed("path_b64", "a path in base64", base64_decode);
    let (key, bytes, line) = match (text, encoded) {
        (Some(text), None) => ("path", text.value.into_bytes(), text.line),
        (None, Some(encoded)) => ("path_b64", encoded.value, encoded.line),
        (Some(_), Some(encoded)) => {
            section.bad_value("path_b64", encoded.line, "`path` is given too; keep one of them");
            return None;
        }
        (None, None) => {
            section.require("path", EXPECTED);
            return None;
        }
    };
    let path = PathBuf::from(OsString::from_vec(bytes));
    let reason = if !path.is_absolute() {
        "it must begin with `/` (neither `~` nor variables are expanded)"
    } else if path.components().any(|c| c == Component::ParentDir) {
        "it must not hold `..`"
    } else if path.as_os_str().as_bytes().contains(&0) {
        "it must not hold a NUL byte"
    } else {
        // collecting drops `.`, doubled and trailing slashes
        return Some(path.components().collect());
    };
    section.bad_value(key, line, reason);
    None
}

fn exclude(mut section: Section<'_, '_>) -> ExcludeLayer {
    let layer = ExcludeLayer {
        globs: patterns(&mut section, "globs"),
        regex: patterns(&mut section, "regex"),
        files: names(&mut section, "files"),
        if_present: names(&mut section, "if_present"),
        caches: section.boolean("caches"),
        nodump: section.boolean("nodump"),
        one_filesystem: section.boolean("one_filesystem"),
        default_list: section.boolean("default_list"),
        larger_than: larger_than(&mut section),
    };
    section.finish();
    layer
}

fn larger_than(section: &mut Section<'_, '_>) -> Option<Option<Size>> {
    let parse = |text: &str| if text == "off" { Some(None) } else { text.parse().ok().map(Some) };
    section.parsed("larger_than", "a size such as \"10GiB\", or \"off\"", parse).map(|at| at.value)
}

fn patterns(section: &mut Section<'_, '_>, key: &'static str) -> Option<Vec<String>> {
    let mut good = Vec::new();
    for At { value, line } in section.strings(key)? {
        match check_pattern(key == "regex", &value) {
            Ok(()) => good.push(value),
            Err(error) => section.bad_value(key, line, error.to_string()),
        }
    }
    Some(good)
}

fn names(section: &mut Section<'_, '_>, key: &'static str) -> Option<Vec<String>> {
    let mut good = Vec::new();
    for At { value, line } in section.strings(key)? {
        if crate::model::RelPath::is_name(value.as_bytes()) {
            good.push(value);
        } else {
            section.bad_value(key, line, format!("{value:?} is not a file name (no path, no pattern)"));
        }
    }
    Some(good)
}

fn run(mut section: Section<'_, '_>) -> RunConfig {
    let default = RunConfig::default();
    let second = Duration::from_secs(1);
    let config = RunConfig {
        settle: duration(&mut section, "settle", default.settle, Duration::ZERO..=HOUR),
        max_delay: duration(&mut section, "max_delay", default.max_delay, second..=DAY),
        partial_every: duration(&mut section, "partial_every", default.partial_every, second..=7 * DAY),
        audit_every: duration(&mut section, "audit_every", default.audit_every, 60 * second..=30 * DAY),
        poll_every: duration(&mut section, "poll_every", default.poll_every, 60 * second..=30 * DAY),
        freeze_limit: duration(&mut section, "freeze_limit", default.freeze_limit, 60 * second..=30 * DAY),
        level: level(&mut section, default.level),
    };
    if config.settle > config.max_delay {
        let reason = format!("it is longer than run.max_delay ({})", format_duration(config.max_delay));
        section.bad_value("settle", section.line(), reason);
    }
    section.finish();
    config
}

fn duration(
    section: &mut Section<'_, '_>,
    key: &'static str,
    default: Duration,
    range: RangeInclusive<Duration>,
) -> Duration {
    let Some(At { value, line }) = section.parsed(key, DURATION, parse_duration) else { return default };
    if range.contains(&value) {
        return value;
    }
    let (least, most) = (format_duration(*range.start()), format_duration(*range.end()));
    section.bad_value(key, line, format!("it must be from {least} to {most}"));
    default
}

fn level(section: &mut Section<'_, '_>, default: i32) -> i32 {
    const EXPECTED: &str = "a whole number from 1 to 19";
    let Some(At { value, line }) = section.integer("level", EXPECTED) else { return default };
    match i32::try_from(value) {
        Ok(level @ 1..=19) => level,
        _ => {
            section.bad_value("level", line, format!("it must be {EXPECTED}"));
            default
        }
    }
}

fn archive(mut section: Section<'_, '_>) -> ArchiveConfig {
    const EXPECTED: &str = "a size from \"1MiB\" to \"1GiB\", or \"off\"";
    let default = MergeRule::default();
    let parse = |text: &str| match text {
        "off" => Some(None),
        _ => text.parse().ok().filter(|size| (Size(1 << 20)..=Size(1 << 30)).contains(size)).map(Some),
    };
    let at = section.parsed("merge_at", EXPECTED, parse).map_or(Some(Size(default.at_bytes)), |at| at.value);
    let after = duration(&mut section, "merge_after", default.after, DAY..=366 * DAY);
    section.finish();
    ArchiveConfig { merge: at.map(|Size(at_bytes)| MergeRule { at_bytes, after }) }
}

fn limits(mut section: Section<'_, '_>) -> LimitsConfig {
    let upload = rate(&mut section, "upload").flatten();
    let download = rate(&mut section, "download").flatten();
    let windows =
        section.tables("at", "a list of tables, each begun by [[limits.at]]").into_iter().filter_map(window).collect();
    section.finish();
    LimitsConfig { always: Rates { upload, download }, windows }
}

fn window(mut section: Section<'_, '_>) -> Option<LimitWindow> {
    let line = section.line();
    let (from, to) = (minute(&mut section, "from"), minute(&mut section, "to"));
    let (upload, download) = (rate(&mut section, "upload"), rate(&mut section, "download"));
    if from.is_some() && from == to {
        section.bad_value("to", line, "it is the same time as `from`; for the whole day set the limit in [limits]");
    }
    section.finish();
    Some(LimitWindow { from: from?, to: to?, upload, download })
}

fn minute(section: &mut Section<'_, '_>, key: &'static str) -> Option<u16> {
    const EXPECTED: &str = "a time of day such as \"08:00\"";
    let found = section.parsed(key, EXPECTED, parse_minute);
    if found.is_none() {
        section.require(key, EXPECTED);
    }
    found.map(|at| at.value)
}

fn rate(section: &mut Section<'_, '_>, key: &'static str) -> Option<Option<u64>> {
    section.parsed(key, "a rate such as \"2MiB/s\", or \"off\"", parse_rate).map(|at| at.value)
}

fn log(mut section: Section<'_, '_>) -> LogConfig {
    let expected = "\"error\", \"warn\", \"info\", \"debug\" or \"trace\"";
    let level = section.parsed("level", expected, LogLevel::parse);
    section.finish();
    LogConfig { level: level.map(|at| at.value).unwrap_or_default() }
}
