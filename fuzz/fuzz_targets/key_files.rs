//! Recovery codes as people type them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rozen::crypto::RecoveryCode;

fuzz_target!(|text: &str| {
    let _ = RecoveryCode::parse(text);
});
