//! Recovery codes as people type them, and recovery files.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rozen::crypto::{RecoveryCode, RecoveryFile};

fuzz_target!(|text: &str| {
    if let Ok(secret) = RecoveryCode::parse(text) {
        let code = RecoveryCode::new(&secret);
        let typed_again = RecoveryCode::parse(code.as_str()).expect("a code that we wrote");
        assert_eq!(RecoveryCode::new(&typed_again).as_str(), code.as_str());
    }
    // without a passphrase: deriving keys from one takes memory and seconds on purpose
    let _ = RecoveryFile::parse(text, None);
});
