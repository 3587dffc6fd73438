//! A machine's configuration as an object: only the recovery secret opens it.

use minicbor::{Decode, Encode};

use super::header::{ObjectHeader, ObjectType};
use super::index::decode_padded;
use super::{FormatError, padded_len};
use crate::crypto::{self, KeySlot, MachineKeys, ReadKeys, SIGNATURE_LEN, SLOT_LEN, SealingSlot, Signers};
use crate::model::MachineId;

const CLEAR_LEN: usize = ObjectHeader::LEN + SLOT_LEN;

#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
#[cbor(map)]
pub struct StoredConfig {
    /// The file as it was, TOML.
    #[n(0)]
    pub text: String,
}

/// Object = header ‖ slot 169 ‖ nonce 24 ‖ AEAD(CBOR ‖ zeros, object key, ad = D("rozen.v1/config", clear part)) ‖ signature 64.
pub fn seal_config(config: &StoredConfig, keys: &MachineKeys) -> Vec<u8> {
    let slot = SealingSlot::create(keys);
    let header = ObjectHeader { kind: ObjectType::Config, repo: keys.repo_id, machine: keys.machine_id };
    let mut out = [&header.encode()[..], &slot.slot.encode()].concat();
    let mut plain = minicbor::to_vec(config).expect("writing to a vector cannot fail");
    let overhead = CLEAR_LEN + crypto::AEAD_OVERHEAD + SIGNATURE_LEN;
    plain.resize(padded_len((plain.len() + overhead) as u64) as usize - overhead, 0);
    let sealed = slot.object.seal(&crypto::fields("rozen.v1/config", &[&out]), &plain);
    out.extend_from_slice(&sealed);
    let signature = keys.signing.sign(&signed_text(&out));
    out.extend_from_slice(&signature);
    out
}

pub fn open_config(
    bytes: &[u8],
    machine: &MachineId,
    signers: &Signers,
    keys: &ReadKeys,
) -> Result<StoredConfig, FormatError> {
    let (header, _) = ObjectHeader::decode(ObjectType::Config, &keys.repo_id, bytes)?;
    if header.machine != *machine {
        return Err(FormatError::WrongMachine { found: header.machine.to_string(), expected: machine.to_string() });
    }
    let needed = CLEAR_LEN + crypto::AEAD_OVERHEAD + SIGNATURE_LEN;
    if bytes.len() < needed {
        return Err(FormatError::Truncated { len: bytes.len() as u64, needed: needed as u64 });
    }
    let (signed, signature) = bytes.split_at(bytes.len() - SIGNATURE_LEN);
    signers.verify(&signed_text(signed), signature)?;
    let (clear, sealed) = signed.split_at(CLEAR_LEN);
    let slot = KeySlot::decode(&clear[ObjectHeader::LEN..])?.open(keys)?;
    decode_padded(&slot.object.open(&crypto::fields("rozen.v1/config", &[clear]), sealed)?)
}

fn signed_text(signed: &[u8]) -> Vec<u8> {
    crypto::fields("rozen.v1/config-signature", &[&crypto::hash(signed).0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::RecoverySecret;
    use crate::model::RepoId;

    #[test]
    fn a_configuration_opens_with_the_recovery_secret_and_every_changed_bit_is_found() {
        let secret = RecoverySecret::generate();
        let keys = MachineKeys::generate(&secret, RepoId([7; 16]), 1);
        let (read, signers) = (secret.read_keys(keys.repo_id, 1), [keys.certificate].into_iter().collect());
        let config = StoredConfig { text: "repository = \"/mnt/backup\"\n".into() };
        let bytes = seal_config(&config, &keys);
        assert_eq!(open_config(&bytes, &keys.machine_id, &signers, &read).unwrap(), config);
        for at in 0..bytes.len() {
            let mut altered = bytes.clone();
            altered[at] ^= 1 << (at % 8);
            assert!(open_config(&altered, &keys.machine_id, &signers, &read).is_err(), "byte {at}");
        }
        assert!(open_config(&bytes, &MachineId([0; 16]), &signers, &read).is_err());
        assert!(open_config(&bytes[..300], &keys.machine_id, &signers, &read).is_err());
    }
}
