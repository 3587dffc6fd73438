//! The machine key file: what a machine that backs up keeps between runs (docs/format.md, "Machine key file").

use std::path::Path;

use zeroize::Zeroizing;

use super::KeyFileError;
use super::armour::{Armour, ArmourWriter, Kind};
use super::certificate::{CERTIFICATE_LEN, Certificate};
use super::keys::{ChunkerKey, ContentPublicKey, IdKey, IndexKey, MachineKeys, Psk};
use super::private_file::{self, Loaded};
use super::sign::{SigningKey, VerifyingKey};
use crate::model::{MachineId, RepoId};

static KIND: Kind = Kind {
    magic: "ROZEN-MACHINE-KEY-",
    name: "machine key file",
    version: 1,
    names: &[REPOSITORY, MACHINE, EPOCH, CONTENT, PSK, INDEX, ID, CHUNKER, SIGNING, CERTIFICATE, ADMIN],
};
const REPOSITORY: &str = "repository";
const MACHINE: &str = "machine";
const EPOCH: &str = "epoch";
const CONTENT: &str = "content-public-key";
const PSK: &str = "psk";
const INDEX: &str = "index-key";
const ID: &str = "id-key";
const CHUNKER: &str = "chunker-key";
const SIGNING: &str = "signing-seed";
const CERTIFICATE: &str = "certificate";
const ADMIN: &str = "admin-public-key";

const WHAT_IT_IS: &str = "\
The keys with which this machine adds to its backups. They cannot open them: for
that, the recovery file is needed. Private nevertheless: with these keys one can
store snapshots in this machine's name and recognise known files.
";

impl MachineKeys {
    /// Writes a new file, mode 0600, on the disk on return; fails when there is one of that name.
    pub fn create(&self, path: &Path) -> Result<(), KeyFileError> {
        private_file::create(path, &self.text())
    }

    pub fn load(path: &Path) -> Result<Loaded<Self>, KeyFileError> {
        private_file::read(path)?.try_map(|text| {
            let value = Self::parse(&text).map_err(private_file::in_file(path))?;
            Ok(Loaded { value, warnings: Vec::new() })
        })
    }

    fn text(&self) -> Zeroizing<String> {
        ArmourWriter::new(&KIND)
            .comment(WHAT_IT_IS)
            .hex_field(REPOSITORY, self.repo_id.as_bytes())
            .hex_field(MACHINE, self.machine_id.as_bytes())
            .field(EPOCH, self.epoch.to_string())
            .hex_field(CONTENT, self.content.as_bytes())
            .hex_field(PSK, &*self.psk.0)
            .hex_field(INDEX, &*self.index.0)
            .hex_field(ID, &*self.id.0)
            .hex_field(CHUNKER, &*self.chunker.0)
            .hex_field(SIGNING, self.signing.seed())
            .hex_field(CERTIFICATE, &self.certificate.encode())
            .hex_field(ADMIN, self.admin.as_bytes())
            .finish()
    }

    fn parse(text: &str) -> Result<Self, KeyFileError> {
        let armour = Armour::parse(&KIND, text)?;
        let invalid = |name: &str| KIND.damaged(format!("{name} is no such key"));
        let (repo_id, machine_id) = (RepoId(*armour.bytes(REPOSITORY)?), MachineId(*armour.bytes(MACHINE)?));
        let signing = SigningKey::from_seed(*armour.bytes(SIGNING)?);
        let admin = VerifyingKey::from_slice(&*armour.bytes::<32>(ADMIN)?).ok_or_else(|| invalid(ADMIN))?;
        let certificate = armour.bytes::<CERTIFICATE_LEN>(CERTIFICATE)?;
        let certificate = Certificate::open(&*certificate, &admin, &repo_id, &machine_id)
            .ok()
            .filter(|certificate| certificate.signing == signing.verifying())
            .ok_or_else(|| KIND.damaged("its certificate is not that of its signing key".to_owned()))?;
        Ok(Self {
            repo_id,
            machine_id,
            epoch: armour.number(EPOCH)?.try_into().map_err(|_| invalid(EPOCH))?,
            content: ContentPublicKey::from_slice(&*armour.bytes::<32>(CONTENT)?).ok_or_else(|| invalid(CONTENT))?,
            psk: Psk::new(*armour.bytes(PSK)?),
            index: IndexKey::new(*armour.bytes(INDEX)?),
            id: IdKey::new(*armour.bytes(ID)?),
            chunker: ChunkerKey::new(*armour.bytes(CHUNKER)?),
            signing,
            certificate,
            admin,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{KeyFileWarning, KeySlot, RecoverySecret, SealingSlot};

    fn sample() -> (RecoverySecret, MachineKeys) {
        let secret = RecoverySecret::generate();
        let keys = MachineKeys::generate(&secret, RepoId([7; 16]), 1);
        (secret, keys)
    }

    #[test]
    fn loaded_keys_are_the_ones_that_were_saved() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("machine.key");
        let (secret, keys) = sample();
        keys.create(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let loaded = MachineKeys::load(&path).unwrap();
        assert!(loaded.warnings.is_empty());
        assert_eq!(*loaded.value.text(), *keys.text());
        let slot = KeySlot::decode(&SealingSlot::create(&loaded.value).slot.encode()).unwrap();
        assert!(slot.open(&secret.read_keys(RepoId([7; 16]), 1)).is_ok());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn the_file_holds_neither_the_recovery_secret_nor_the_content_key() {
        let (secret, keys) = sample();
        let text = keys.text();
        let read = secret.read_keys(RepoId([7; 16]), 1);
        let hex = crate::crypto::hex;
        for forbidden in [hex(secret.as_bytes()), hex(&*read.content.0), hex(secret.admin_signing().seed())] {
            assert!(!text.contains(&forbidden));
        }
    }

    #[test]
    fn an_existing_file_is_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("machine.key");
        std::fs::write(&path, "precious").unwrap();
        assert!(matches!(sample().1.create(&path), Err(KeyFileError::Io { action: "create", .. })));
        assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    }

    #[test]
    fn a_file_that_others_can_read_loads_with_a_warning() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("machine.key");
        sample().1.create(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let warnings = MachineKeys::load(&path).unwrap().warnings;
        assert_eq!(warnings, [KeyFileWarning::ReadableByOthers { path, mode: 0o640 }]);
    }

    #[test]
    fn every_changed_character_of_a_value_is_found() {
        let text = sample().1.text();
        let values = text.find("repository: ").unwrap();
        for at in values..text.trim_end().len() {
            let mut bytes = text.as_bytes().to_vec();
            bytes[at] = if bytes[at] == b'7' { b'8' } else { b'7' };
            assert!(MachineKeys::parse(std::str::from_utf8(&bytes).unwrap()).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_file_cut_short_anywhere_is_damaged() {
        let text = sample().1.text();
        let first_line = text.find('\n').unwrap();
        for len in first_line..text.trim_end().len() {
            assert!(matches!(MachineKeys::parse(&text[..len]).map(|_| ()), Err(KeyFileError::Damaged { .. })), "{len}");
        }
    }

    #[test]
    fn newer_and_foreign_files_are_named_as_such() {
        let text = sample().1.text();
        let newer = text.replace("MACHINE-KEY-1", "MACHINE-KEY-2");
        assert!(matches!(MachineKeys::parse(&newer).map(|_| ()), Err(KeyFileError::Newer { found: 2, known: 1, .. })));
        for foreign in ["", "hello", "ROZEN-RECOVERY-1\n"] {
            assert!(matches!(MachineKeys::parse(foreign).map(|_| ()), Err(KeyFileError::NotKeyFile(_))));
        }
    }

    #[test]
    fn edited_comments_and_line_ends_do_no_harm() {
        let text = sample().1.text();
        let edited = text.replace("# The keys", "# my keys\n#").replace('\n', "\r\n");
        assert!(MachineKeys::parse(&format!("\u{feff}{edited}\r\n")).is_ok());
    }
}
