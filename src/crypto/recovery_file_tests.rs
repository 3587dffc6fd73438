use super::*;

/// The least that is accepted: tests need not be slow.
const CHEAP: PassphraseCost = PassphraseCost { ops: 1, memory_bytes: 8 << 20 };

fn sample() -> RecoveryFile {
    RecoveryFile {
        secret: RecoverySecret::generate(),
        repo_id: Some(RepoId([9; 16])),
        url_hint: Some("/media/backup disk/repo".into()),
    }
}

fn passphrase(text: &str) -> Passphrase {
    Passphrase::new(text).unwrap()
}

fn failure(text: &str, with: Option<&str>) -> KeyFileError {
    let with = with.map(passphrase);
    RecoveryFile::parse(text, with.as_ref()).map(|_| ()).unwrap_err()
}

/// The same fields with a checksum that fits: what somebody who means harm would write.
fn rewritten(text: &str, name: &str, value: &str) -> String {
    let armour_fields = text.lines().filter(|l| !l.starts_with('#')).skip(1).filter_map(|l| l.split_once(": "));
    let writer = armour_fields.filter(|(n, _)| *n != "checksum").fold(ArmourWriter::new(&KIND), |writer, (n, v)| {
        let known = KIND.names.iter().find(|known| **known == n).unwrap();
        writer.field(known, if n == name { value } else { v })
    });
    writer.finish().to_string()
}

#[test]
fn a_recovery_file_gives_back_what_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("recovery.txt");
    let file = sample();
    file.create(&path, None).unwrap();
    let loaded = RecoveryFile::load(&path, None).unwrap();
    assert!(loaded.warnings.is_empty());
    assert!(loaded.value.secret.is_same(&file.secret));
    assert_eq!((loaded.value.repo_id, loaded.value.url_hint), (file.repo_id, file.url_hint));
}

#[test]
fn a_protected_file_opens_with_its_passphrase_only() {
    let file = sample();
    let text = file.protected_text(&passphrase("correct horse"), CHEAP).unwrap();
    let opened = RecoveryFile::parse(&text, Some(&passphrase("correct horse\n"))).unwrap().value;
    assert!(opened.secret.is_same(&file.secret));
    assert_eq!(opened.url_hint, file.url_hint);
    assert!(!text.contains(RecoveryCode::new(&file.secret).as_str()));
    for (with, wrong) in [(None, "needed"), (Some("Correct horse"), "wrong")] {
        let error = failure(&text, with);
        assert!(error.is_wrong_key(), "{wrong}: {error}");
    }
    assert!(matches!(failure(&text, Some("other")), KeyFileError::WrongPassphrase));
}

#[test]
fn damage_is_told_from_a_wrong_passphrase() {
    let text = sample().protected_text(&passphrase("p"), CHEAP).unwrap();
    for name in [REPOSITORY, URL, SALT, COMMITMENT, SEALED] {
        let at = text.find(&format!("\n{name}: ")).unwrap() + name.len() + 4;
        let mut bytes = text.as_bytes().to_vec();
        bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
        let error = failure(std::str::from_utf8(&bytes).unwrap(), Some("p"));
        assert!(matches!(error, KeyFileError::Damaged { .. }), "{name}: {error}");
        assert!(!error.is_wrong_key());
    }
}

#[test]
fn what_stands_beside_a_protected_secret_cannot_be_exchanged() {
    let text = sample().protected_text(&passphrase("p"), CHEAP).unwrap();
    let untouched = rewritten(&text, "", "");
    assert!(RecoveryFile::parse(&untouched, Some(&passphrase("p"))).is_ok());
    for (name, value) in [(URL, "s3://mallory"), (REPOSITORY, "00000000000000000000000000000000")] {
        assert!(matches!(failure(&rewritten(&text, name, value), Some("p")), KeyFileError::Damaged { .. }), "{name}");
    }
}

#[test]
fn costs_out_of_bounds_are_refused_before_they_are_paid() {
    let text = sample().protected_text(&passphrase("p"), CHEAP).unwrap();
    for (name, value) in
        [(OPS, "0"), (OPS, "17"), (MEMORY, "8388607"), (MEMORY, "4294967297"), (MEMORY, "18446744073709551615")]
    {
        let error = failure(&rewritten(&text, name, value), Some("p"));
        assert!(matches!(error, KeyFileError::PassphraseCost { .. }), "{name} {value}: {error}");
    }
}

#[test]
fn the_code_alone_is_a_recovery_file() {
    let file = sample();
    let code = RecoveryCode::new(&file.secret);
    let text = format!("\n  {}\n  {}\n", code.lines()[0].to_lowercase(), code.lines()[1]);
    let loaded = RecoveryFile::parse(&text, None).unwrap();
    assert!(loaded.value.secret.is_same(&file.secret) && loaded.value.repo_id.is_none() && loaded.warnings.is_empty());
    assert!(matches!(failure(&text[..text.len() - 4], None), KeyFileError::CodeLength { .. }));
    assert!(matches!(failure("{\"some\": \"json\"}", None), KeyFileError::NotKeyFile(_)));
    assert!(matches!(failure("", None), KeyFileError::NotKeyFile(_)));
}

#[test]
fn a_code_is_found_whatever_a_person_wrote_around_it() {
    let file = sample();
    let code = RecoveryCode::new(&file.secret);
    let [first, second] = code.lines();
    for text in [
        format!("\u{feff}{}", code.as_str()),
        format!("My Rozen code: {}\n(the old disk, 2026)\n", code.as_str()),
        format!("> code:\r\n> {first}\r\n> {second}\r\n"),
    ] {
        let loaded = RecoveryFile::parse(&text, None).unwrap();
        assert!(loaded.value.secret.is_same(&file.secret) && loaded.warnings.is_empty(), "{text}");
    }
    let mistyped = format!("My Rozen code: {}", code.as_str().replace('-', ""));
    assert!(matches!(failure(&mistyped, None), KeyFileError::NotKeyFile(_)));
}

#[test]
fn a_damaged_file_with_a_whole_code_still_opens_with_a_warning() {
    let file = sample();
    let damaged = file.text().replace("/media", "/nedia");
    let loaded = RecoveryFile::parse(&damaged, None).unwrap();
    assert!(loaded.value.secret.is_same(&file.secret));
    assert_eq!(loaded.warnings, [KeyFileWarning::OnlyCodeIntact]);
    let mut broken = damaged.into_bytes();
    let at = broken.windows(6).position(|w| w == b"code: ").unwrap() + 8;
    broken[at] = if broken[at] == b'2' { b'3' } else { b'2' };
    assert!(matches!(failure(std::str::from_utf8(&broken).unwrap(), None), KeyFileError::Damaged { .. }));
}

#[test]
fn a_url_with_line_breaks_cannot_forge_fields() {
    let mut file = sample();
    file.url_hint = Some("a\ncode: 00000\r\n b".into());
    let opened = RecoveryFile::parse(&file.text(), None).unwrap();
    assert!(opened.value.secret.is_same(&file.secret) && opened.warnings.is_empty());
    assert_eq!(opened.value.url_hint.as_deref(), Some("acode: 00000 b"));
}

#[test]
fn nothing_secret_is_printed() {
    let file = sample();
    let shown = format!("{file:?} {:?} {:?}", RecoveryCode::new(&file.secret), passphrase("hidden"));
    assert!(!shown.contains("hidden") && !shown.contains(&crate::crypto::hex(file.secret.as_bytes())));
}

#[test]
fn a_file_that_opens_backups_is_recognised_by_what_is_in_it() {
    let file = sample();
    let protected = file.protected_text(&passphrase("correct horse"), CHEAP).unwrap();
    let code = RecoveryCode::new(&file.secret);
    for text in [file.text().as_str(), protected.as_str(), &format!("\u{feff}\n{}", *file.text()), code.as_str()] {
        assert!(RecoveryFile::is_in(text), "{text}");
    }
    for text in ["", "repository = \"/srv/backup\"\n", "the recovery file is in the drawer"] {
        assert!(!RecoveryFile::is_in(text), "{text}");
    }
}
