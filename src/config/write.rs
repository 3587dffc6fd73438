//! [`Config`] → TOML that [`Config::parse`] reads back: what `init` writes. Defaults are left out.

use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use toml::Value;

use super::limits::{format_minute, format_rate};
use super::{
    ArchiveConfig, Config, ExcludeConfig, ExcludeLayer, LimitWindow, LimitsConfig, LogConfig, RootConfig, RunConfig,
    Size, Tier, format_duration,
};
use crate::model::{MergeRule, StorageClass, base64_encode};

impl Config {
    /// `path` is where the text will be: a machine key beside it is not written.
    pub fn to_toml(&self, path: &Path) -> String {
        let mut out = String::from("# Configuration of Rozen; docs/config.md lists every key with its default.\n");
        pair(&mut out, "repository", self.repository.as_str());
        if self.machine_key != path.with_extension("key") {
            pair(&mut out, "machine_key", &*self.machine_key.to_string_lossy());
        }
        table(&mut out, "[exclude]", exclude(&self.exclude.as_layer_over(&ExcludeConfig::default())));
        table(&mut out, "[run]", run(&self.run));
        table(&mut out, "[archive]", archive(&self.archive));
        table(&mut out, "[limits]", limits(&self.limits));
        self.limits.windows.iter().for_each(|w| table(&mut out, "[[limits.at]]", window(w)));
        table(&mut out, "[log]", log(&self.log));
        self.roots.iter().for_each(|r| root(&mut out, r));
        out
    }
}

fn root(out: &mut String, root: &RootConfig) {
    out.push_str("\n[[root]]\n");
    pair(out, "id", root.id.as_str());
    match root.path.to_str() {
        Some(text) => pair(out, "path", text),
        None => pair(out, "path_b64", base64_encode(root.path.as_os_str().as_bytes())),
    }
    if root.tier != Tier::default() {
        pair(out, "tier", root.tier.as_str());
    }
    if root.class != StorageClass::default() {
        pair(out, "class", root.class.as_str());
    }
    table(out, "[root.exclude]", exclude(&root.exclude));
}

fn exclude(layer: &ExcludeLayer) -> String {
    let mut out = String::new();
    for (key, list) in
        [("globs", &layer.globs), ("regex", &layer.regex), ("files", &layer.files), ("if_present", &layer.if_present)]
    {
        list.iter().for_each(|list| pair(&mut out, key, list.clone()));
    }
    for (key, switch) in [
        ("caches", layer.caches),
        ("nodump", layer.nodump),
        ("one_filesystem", layer.one_filesystem),
        ("default_list", layer.default_list),
    ] {
        switch.iter().for_each(|value| pair(&mut out, key, *value));
    }
    if let Some(limit) = layer.larger_than {
        pair(&mut out, "larger_than", limit.as_ref().map_or("off".to_owned(), Size::to_string));
    }
    out
}

fn run(run: &RunConfig) -> String {
    let mut out = String::new();
    let default = RunConfig::default();
    for (key, value, default) in [
        ("settle", run.settle, default.settle),
        ("max_delay", run.max_delay, default.max_delay),
        ("partial_every", run.partial_every, default.partial_every),
        ("audit_every", run.audit_every, default.audit_every),
        ("poll_every", run.poll_every, default.poll_every),
        ("freeze_limit", run.freeze_limit, default.freeze_limit),
    ] {
        if value != default {
            pair(&mut out, key, format_duration(value));
        }
    }
    if run.level != default.level {
        pair(&mut out, "level", run.level);
    }
    out
}

fn archive(archive: &ArchiveConfig) -> String {
    let mut out = String::new();
    let default = MergeRule::default();
    let Some(rule) = archive.merge else {
        pair(&mut out, "merge_at", "off");
        return out;
    };
    if rule.at_bytes != default.at_bytes {
        pair(&mut out, "merge_at", Size(rule.at_bytes).to_string());
    }
    if rule.after != default.after {
        pair(&mut out, "merge_after", format_duration(rule.after));
    }
    out
}

fn limits(limits: &LimitsConfig) -> String {
    let mut out = String::new();
    for (key, rate) in [("upload", limits.always.upload), ("download", limits.always.download)] {
        if rate.is_some() {
            pair(&mut out, key, format_rate(rate));
        }
    }
    out
}

fn window(window: &LimitWindow) -> String {
    let mut out = String::new();
    pair(&mut out, "from", format_minute(window.from));
    pair(&mut out, "to", format_minute(window.to));
    for (key, rate) in [("upload", window.upload), ("download", window.download)] {
        rate.into_iter().for_each(|rate| pair(&mut out, key, format_rate(rate)));
    }
    out
}

fn log(log: &LogConfig) -> String {
    let mut out = String::new();
    if *log != LogConfig::default() {
        pair(&mut out, "level", log.level.as_str());
    }
    out
}

fn table(out: &mut String, head: &str, body: String) {
    if !body.is_empty() {
        write!(out, "\n{head}\n{body}").expect("writing to a String cannot fail");
    }
}

fn pair(out: &mut String, key: &str, value: impl Into<Value>) {
    let value: Value = value.into();
    writeln!(out, "{key} = {value}").expect("writing to a String cannot fail");
}
