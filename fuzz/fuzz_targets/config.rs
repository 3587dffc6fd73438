//! The configuration: any text gives settings or an error with lines.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use rozen::config::Config;

fuzz_target!(|text: &str| {
    let _ = Config::parse(text, Path::new("/etc/rozen/rozen.toml"));
});
