//! What the keys can do and, more, what they cannot. Known answers are in `vectors_tests.rs`.

use super::*;
use crate::model::RepoId;

const REPO: RepoId = RepoId([3; 16]);

fn sample() -> (RecoverySecret, MachineKeys) {
    let secret = RecoverySecret::generate();
    let machine = MachineKeys::generate(&secret, REPO, 1);
    (secret, machine)
}

/// All points of order 1, 2, 4 and 8 on the curve and its twist, in the encodings that libsodium knows.
const LOW_ORDER: [&str; 7] = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];

#[test]
fn public_keys_of_low_order_are_refused() {
    for point in LOW_ORDER {
        assert!(ContentPublicKey::from_slice(&unhex(point).unwrap()).is_none(), "{point}");
    }
    assert!(ContentPublicKey::from_slice(sample().1.content.as_bytes()).is_some());
    assert!(ContentPublicKey::from_slice(&[9; 31]).is_none());
}

#[test]
fn a_slot_gives_the_reader_the_keys_of_the_machine() {
    let (secret, machine) = sample();
    let made = SealingSlot::create(&machine);
    let opened = KeySlot::decode(&made.slot.encode()).unwrap().open(&secret.read_keys(REPO, 1)).unwrap();
    assert_eq!(opened.slot_id, made.slot.slot_id);
    assert!(opened.body.is_same(&made.body) && opened.object.is_same(&made.object));
}

#[test]
fn a_changed_bit_anywhere_in_a_slot_is_found() {
    let (secret, machine) = sample();
    let keys = secret.read_keys(REPO, 1);
    let bytes = SealingSlot::create(&machine).slot.encode();
    for bit in 0..SLOT_LEN * 8 {
        let mut altered = bytes;
        altered[bit / 8] ^= 1 << (bit % 8);
        let slot = KeySlot::decode(&altered).unwrap();
        // also the top bit of the ephemeral point, which X25519 ignores: the box's nonce is a hash of it
        assert!(slot.open(&keys).is_err(), "bit {bit}");
    }
    assert!(KeySlot::decode(&bytes[1..]).is_err());
}

#[test]
fn a_slot_opens_in_its_own_repository_and_epoch_only() {
    let (secret, machine) = sample();
    let slot = SealingSlot::create(&machine).slot;
    assert!(slot.open(&secret.read_keys(REPO, 1)).is_ok());
    assert_eq!(
        slot.open(&secret.read_keys(RepoId([4; 16]), 1)).err(),
        Some(CryptoError::Slot("it was made for another place"))
    );
    assert!(matches!(slot.open(&secret.read_keys(REPO, 2)).err(), Some(CryptoError::Slot(_))));
    assert_eq!(slot.open(&RecoverySecret::generate().read_keys(REPO, 1)).err(), Some(CryptoError::Open));
}

#[test]
fn the_parts_of_two_slots_cannot_be_mixed() {
    let (secret, machine) = sample();
    let (a, b) = (SealingSlot::create(&machine).slot.encode(), SealingSlot::create(&machine).slot.encode());
    for cut in [16, 20, 52] {
        let mixed = [&a[..cut], &b[cut..]].concat();
        assert!(KeySlot::decode(&mixed).unwrap().open(&secret.read_keys(REPO, 1)).is_err(), "cut at {cut}");
    }
}

#[test]
fn every_key_of_an_epoch_is_another_one() {
    let (secret, _) = sample();
    let mut seen = std::collections::HashSet::new();
    for keys in [1, 2].map(|epoch| secret.read_keys(REPO, epoch)) {
        let all = [&keys.content.0, &keys.psk.0, &keys.index.0, &keys.id.0, &keys.chunker.0];
        assert!(all.into_iter().all(|key| seen.insert(**key)));
    }
    assert!(seen.insert(*secret.admin_signing().seed()) && seen.insert(*secret.as_bytes()));
}

#[test]
fn purposes_of_the_index_key_do_not_open_each_other() {
    let key = sample().1.index;
    let purposes = [Purpose::Directory, Purpose::Footer, Purpose::Index];
    for (sealed_for, opened_for) in purposes.iter().flat_map(|a| purposes.map(|b| (*a, b))) {
        let sealed = key.seal(sealed_for, b"place", b"rows");
        assert_eq!(key.open(opened_for, b"place", &sealed).is_ok(), sealed_for == opened_for);
        assert!(key.open(sealed_for, b"other", &sealed).is_err());
    }
    for short in 0..AEAD_OVERHEAD {
        assert_eq!(key.open(Purpose::Index, b"", &vec![0; short]), Err(CryptoError::Open));
    }
}

#[test]
fn the_same_message_is_never_sealed_to_the_same_bytes() {
    let key = sample().1.index;
    let nonces: std::collections::HashSet<Vec<u8>> =
        (0..1000).map(|_| key.seal(Purpose::Index, b"", b"same")[..NONCE_LEN].to_vec()).collect();
    assert_eq!(nonces.len(), 1000);
}

#[test]
fn a_signature_fits_its_message_and_key_only() {
    let (secret, machine) = sample();
    let signature = machine.signing.sign(b"message");
    let verifying = machine.signing.verifying();
    assert_eq!(verifying.verify(b"message", &signature), Ok(()));
    assert_eq!(verifying.verify(b"massage", &signature), Err(CryptoError::Signature));
    assert_eq!(secret.admin_signing().verifying().verify(b"message", &signature), Err(CryptoError::Signature));
    assert_eq!(verifying.verify(b"message", &signature[..63]), Err(CryptoError::Signature));
    for bit in 0..SIGNATURE_LEN * 8 {
        let mut altered = signature;
        altered[bit / 8] ^= 1 << (bit % 8);
        assert!(verifying.verify(b"message", &altered).is_err(), "bit {bit}");
    }
}

#[test]
fn fields_cannot_run_into_each_other() {
    let encodings =
        [fields("l", &[b"ab", b"c"]), fields("l", &[b"a", b"bc"]), fields("l", &[b"abc"]), fields("la", &[b"bc"])];
    let different: std::collections::HashSet<_> = encodings.iter().collect();
    assert_eq!(different.len(), encodings.len());
}

#[test]
fn an_object_hash_does_not_depend_on_the_pieces() {
    let bytes: Vec<u8> = (0..1000u32).map(|i| i as u8).collect();
    for size in [1, 63, 64, 128, 129, 1000] {
        let mut hasher = ObjectHasher::new();
        bytes.chunks(size).for_each(|piece| hasher.update(piece));
        assert_eq!(hasher.finish(), hash(&bytes));
    }
}

#[test]
fn secrets_are_not_printed() {
    let (secret, _) = sample();
    let keys = secret.read_keys(REPO, 1);
    let shown = format!("{secret:?} {keys:?}");
    for key in [&secret.0, &keys.content.0, &keys.psk.0, &keys.index.0, &keys.id.0, &keys.chunker.0] {
        // eight whole bytes: fewer stand in the public key by chance
        let as_list = format!("{:?}", &key[..8]);
        assert!(!shown.contains(&hex(&key[..8])) && !shown.contains(as_list.trim_matches(['[', ']'])), "{shown}");
    }
}
