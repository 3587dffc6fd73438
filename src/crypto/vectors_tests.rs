//! Every derivation against answers that another program gave (tests/vectors/generate.py).

use serde_json::Value;

use super::*;
use crate::model::{ChunkRef, RepoId};

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../tests/vectors/suite1.json")).unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    unhex(value.as_str().unwrap()).unwrap()
}

fn array<const N: usize>(value: &Value) -> [u8; N] {
    bytes(value).try_into().unwrap()
}

fn secret(v: &Value) -> RecoverySecret {
    RecoverySecret::from_bytes(array(&v["secret"]))
}

fn keys(v: &Value) -> ReadKeys {
    secret(v).read_keys(RepoId(array(&v["repository"])), v["epoch"].as_u64().unwrap() as u32)
}

#[test]
fn keys_are_derived_as_documented() {
    let v = &vectors();
    let keys = keys(v);
    for (key, name) in [
        (&keys.content.0, "content_secret"),
        (&keys.psk.0, "psk"),
        (&keys.index.0, "index_key"),
        (&keys.id.0, "id_key"),
        (&keys.chunker.0, "chunker_key"),
        (&keys.index.frame_heads().0, "frame_head_key"),
    ] {
        assert_eq!(hex(&key[..]), v[name], "{name}");
    }
    assert_eq!(hex(keys.content_public().as_bytes()), v["content_public"]);
    assert_eq!(hex(secret(v).admin_signing().seed()), v["admin_seed"]);
    assert_eq!(hex(keys.admin_verifying().as_bytes()), v["admin_public"]);
}

#[test]
fn fields_hashes_and_signatures_are_as_documented() {
    let v = &vectors();
    assert_eq!(hex(&fields("label", &[b"", b"abc"])), v["fields"]);
    assert_eq!(hash(b"object").to_string(), v["object_hash"]);
    let message = fields("rozen.v1/test", &[b"abc"]);
    assert_eq!(hex(&secret(v).admin_signing().sign(&message)), v["signature"]);
}

#[test]
fn messages_under_the_index_key_open() {
    let v = &vectors();
    for (purpose, name) in [(Purpose::Directory, "directory"), (Purpose::Footer, "footer"), (Purpose::Index, "index")] {
        let plain = keys(v).index.open(purpose, b"place", &bytes(&v["sealed"][name])).unwrap();
        assert_eq!(plain, format!("message of {name}").into_bytes());
    }
}

#[test]
fn ids_are_made_as_documented() {
    let v = &vectors();
    let id = keys(v).id;
    for kind in 0..4 {
        assert_eq!(id.chunk_ids(kind).id(b"rozen").to_string(), v["chunk_ids"][kind as usize]);
    }
    assert_eq!(id.root_tag("home").to_string(), v["root_tag"]);
    assert_eq!(id.file_ids().of_data(b"rozen").to_string(), v["file_id_of_data"]);
    let chunk = |row: &Value| {
        let id = row[0].as_str().unwrap().parse().unwrap();
        ChunkRef { id, len: row[1].as_u64().unwrap() as u32 }
    };
    let chunks: Vec<ChunkRef> = v["file_chunks"].as_array().unwrap().iter().map(chunk).collect();
    assert_eq!(id.file_ids().of_chunks(&chunks).to_string(), v["file_id_of_chunks"]);
}

#[test]
fn the_gear_table_is_made_as_documented() {
    let v = &vectors();
    let table = keys(v).chunker.gear_table();
    let bytes: Vec<u8> = table.words().iter().flat_map(|word| word.to_le_bytes()).collect();
    assert_eq!(hash(&bytes).to_string(), v["gear_hash"]);
}

#[test]
fn a_foreign_slot_opens() {
    let v = &vectors();
    let slot = KeySlot::decode(&bytes(&v["slot"])).unwrap();
    let opened = slot.open(&keys(v)).unwrap();
    assert_eq!(opened.slot_id.to_string(), v["slot_id"]);
    assert_eq!(hex(&*opened.body.0), v["body_key"]);
    assert_eq!(hex(&*opened.object.0), v["object_key"]);
}

#[test]
fn a_foreign_recovery_code_and_files_are_read() {
    let v = &vectors();
    let code = v["recovery_code"].as_str().unwrap();
    assert_eq!(RecoveryCode::new(&secret(v)).as_str(), code);
    assert!(RecoveryCode::parse(code).unwrap().is_same(&secret(v)));
    let passphrase = Passphrase::new(v["passphrase"].as_str().unwrap()).unwrap();
    for name in ["recovery_file", "protected_recovery_file"] {
        let read = RecoveryFile::parse(v[name].as_str().unwrap(), Some(&passphrase)).unwrap();
        assert!(read.value.secret.is_same(&secret(v)) && read.warnings.is_empty());
        assert_eq!(read.value.repo_id.unwrap().to_string(), v["repository"]);
        assert_eq!(read.value.url_hint.unwrap(), v["recovery_url"]);
    }
}

#[test]
fn a_foreign_machine_key_file_is_read() {
    let v = &vectors();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("machine.key");
    std::fs::write(&path, v["machine_key_file"].as_str().unwrap()).unwrap();
    let machine = MachineKeys::load(&path).unwrap().value;
    assert_eq!(machine.machine_id.to_string(), v["machine"]);
    assert_eq!(hex(machine.signing.seed()), v["signing_seed"]);
    assert_eq!(hex(&machine.certificate.encode()), v["certificate"]);
    assert_eq!((machine.certificate.serial, machine.certificate.epoch), (Serial(2), 1));
    assert_eq!(hex(&machine.listing().0[..]), v["listing_key"]);
    let read = keys(v);
    assert!(machine.psk.is_same(&read.psk) && machine.index.is_same(&read.index));
    assert!(machine.id.is_same(&read.id) && machine.chunker.is_same(&read.chunker));
    assert!(machine.content == read.content_public() && machine.admin == read.admin_verifying());
}
