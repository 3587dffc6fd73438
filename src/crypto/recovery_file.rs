//! The recovery file: the recovery secret with what a person needs to use it (docs/format.md, "Recovery file").
//!
//! It is the only way to the data after the machine is lost, so reading it is forgiving: a damaged file whose recovery
//! code is whole still opens, with a warning, and so does a file with nothing but the code in it.

use std::path::Path;

use zeroize::Zeroizing;

use super::KeyFileError;
use super::armour::{Armour, ArmourWriter, Kind};
use super::hash::fields;
use super::keys::RecoverySecret;
use super::passphrase::{Passphrase, PassphraseCost, UnwrapError, Wrapped};
use super::private_file::{self, KeyFileWarning, Loaded};
use super::recovery_code::RecoveryCode;
use crate::model::RepoId;

static KIND: Kind = Kind {
    magic: "ROZEN-RECOVERY-",
    name: "recovery file",
    version: 1,
    names: &[REPOSITORY, URL, CODE, OPS, MEMORY, SALT, COMMITMENT, SEALED],
};
const REPOSITORY: &str = "repository";
const URL: &str = "url";
const CODE: &str = "code";
const OPS: &str = "passphrase-passes";
const MEMORY: &str = "passphrase-memory-bytes";
const SALT: &str = "passphrase-salt";
const COMMITMENT: &str = "passphrase-commitment";
const SEALED: &str = "sealed-secret";

const WHAT_IT_IS: &str = "\
This file opens your backups. Whoever has it can read them; without it
(or the recovery code) nobody can, not even you.

Keep it away from the computer that it belongs to: print it, put it on a USB
stick or into a password manager, in two places. Then remove it from here.

To get files back, on any computer:
    rozenctl restore latest --repo 'URL' --recovery THIS-FILE --to DIR
";
const IS_PROTECTED: &str = "\nIt is protected by a passphrase, which is needed too.\n";

/// What the recovery file says.
#[derive(Clone, Debug)]
pub struct RecoveryFile {
    pub secret: RecoverySecret,
    /// `None` when there was nothing but the recovery code.
    pub repo_id: Option<RepoId>,
    /// Where the repository was when the file was written.
    pub url_hint: Option<String>,
}

impl RecoveryFile {
    /// Writes a new file, mode 0600, on the disk on return; fails when there is one of that name.
    pub fn create(&self, path: &Path, passphrase: Option<&Passphrase>) -> Result<(), KeyFileError> {
        let text = match passphrase {
            Some(passphrase) => self.protected_text(passphrase, PassphraseCost::MODERATE)?,
            None => self.text(),
        };
        private_file::create(path, &text)
    }

    pub fn load(path: &Path, passphrase: Option<&Passphrase>) -> Result<Loaded<Self>, KeyFileError> {
        private_file::read(path)?.try_map(|text| Self::parse(&text, passphrase).map_err(private_file::in_file(path)))
    }

    /// Whether a file with this text opens backups, perhaps with a passphrase, whatever its name is.
    pub fn is_in(text: &str) -> bool {
        text.trim_start_matches('\u{feff}').trim_start().starts_with(KIND.magic) || Self::parse(text, None).is_ok()
    }

    /// The text of a file without a passphrase.
    pub fn text(&self) -> Zeroizing<String> {
        let code = RecoveryCode::new(&self.secret);
        self.place(ArmourWriter::new(&KIND).comment(WHAT_IT_IS)).field(CODE, code.as_str()).finish()
    }

    /// The text of a file that needs the passphrase.
    pub fn protected_text(
        &self,
        passphrase: &Passphrase,
        cost: PassphraseCost,
    ) -> Result<Zeroizing<String>, KeyFileError> {
        let wrapped = Wrapped::seal(self.secret.as_bytes(), passphrase, cost, &self.bound())?;
        let writer = ArmourWriter::new(&KIND).comment(WHAT_IT_IS).comment(IS_PROTECTED);
        let writer = self.place(writer).field(OPS, cost.ops.to_string()).field(MEMORY, cost.memory_bytes.to_string());
        let writer = writer.hex_field(SALT, &wrapped.salt).hex_field(COMMITMENT, &wrapped.commit);
        Ok(writer.hex_field(SEALED, &wrapped.sealed).finish())
    }

    /// Takes the text of a recovery file, or of the recovery code, whatever stands around it.
    pub fn parse(text: &str, passphrase: Option<&Passphrase>) -> Result<Loaded<Self>, KeyFileError> {
        let text = text.trim_start_matches('\u{feff}');
        match Armour::parse(&KIND, text) {
            Ok(armour) => Ok(Loaded { value: Self::from_armour(&armour, passphrase)?, warnings: Vec::new() }),
            Err(KeyFileError::NotKeyFile(kind)) => match code_within(text) {
                Some(secret) => Ok(Loaded { value: Self::from_secret(secret), warnings: Vec::new() }),
                None if looks_like_code(text) => {
                    Ok(Loaded { value: Self::from_secret(RecoveryCode::parse(text)?), warnings: Vec::new() })
                }
                None => Err(KeyFileError::NotKeyFile(kind)),
            },
            Err(damage @ KeyFileError::Damaged { .. }) => match intact_code(text) {
                Some(secret) => {
                    Ok(Loaded { value: Self::from_secret(secret), warnings: vec![KeyFileWarning::OnlyCodeIntact] })
                }
                None => Err(damage),
            },
            Err(other) => Err(other),
        }
    }

    fn from_secret(secret: RecoverySecret) -> Self {
        Self { secret, repo_id: None, url_hint: None }
    }

    fn from_armour(armour: &Armour, passphrase: Option<&Passphrase>) -> Result<Self, KeyFileError> {
        let repo_id = armour.find(REPOSITORY).map(|_| armour.bytes(REPOSITORY)).transpose()?.map(|id| RepoId(*id));
        let url_hint = armour.find(URL).map(str::to_string);
        if let Some(code) = armour.find(CODE) {
            return Ok(Self { secret: RecoveryCode::parse(code)?, repo_id, url_hint });
        }
        let cost = PassphraseCost { ops: armour.number(OPS)?, memory_bytes: armour.number(MEMORY)? }.check()?;
        let (salt, commit, sealed) = (*armour.bytes(SALT)?, *armour.bytes(COMMITMENT)?, *armour.bytes(SEALED)?);
        let passphrase = passphrase.ok_or(KeyFileError::PassphraseNeeded)?;
        let mut file = Self { secret: RecoverySecret::from_bytes([0; 32]), repo_id, url_hint };
        let secret = Wrapped { cost, salt, commit, sealed }.open(passphrase, &file.bound());
        file.secret = RecoverySecret::from_bytes(*secret.map_err(|error| match error {
            UnwrapError::Key(error) => error,
            UnwrapError::Altered => KIND.damaged("the passphrase is right, but what it protects was altered"),
        })?);
        Ok(file)
    }

    fn place(&self, writer: ArmourWriter) -> ArmourWriter {
        let writer = match &self.repo_id {
            Some(id) => writer.hex_field(REPOSITORY, id.as_bytes()),
            None => writer,
        };
        match self.clean_url() {
            Some(url) => writer.field(URL, url),
            None => writer,
        }
    }

    /// One line without control characters, as it is read back.
    fn clean_url(&self) -> Option<String> {
        let url: String = self.url_hint.as_ref()?.chars().filter(|c| !c.is_control()).collect();
        Some(url.trim().to_string())
    }

    fn bound(&self) -> Vec<u8> {
        let repo = self.repo_id.map_or(Vec::new(), |id| id.as_bytes().to_vec());
        fields("rozen.v1/recovery-file", &[&repo, self.clean_url().unwrap_or_default().as_bytes()])
    }
}

fn looks_like_code(text: &str) -> bool {
    let is_dash = |c: char| matches!(c, '-' | '_' | '.' | '\u{2010}'..='\u{2015}');
    text.chars().all(|c| c.is_ascii_alphanumeric() || c.is_whitespace() || is_dash(c)) && !text.trim().is_empty()
}

/// A whole code in words of a person: it checks itself, so that no other text is taken for one.
fn code_within(text: &str) -> Option<RecoverySecret> {
    let words: Vec<&str> = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    words.windows(RecoveryCode::GROUPS).find_map(|groups| {
        let is_code = groups.iter().all(|group| group.len() == RecoveryCode::GROUP_LEN);
        is_code.then(|| RecoveryCode::parse(&Zeroizing::new(groups.join("-"))).ok())?
    })
}

/// A recovery code checks itself: it can be trusted where the file around it cannot.
fn intact_code(text: &str) -> Option<RecoverySecret> {
    text.lines()
        .filter_map(|line| line.trim().strip_prefix(CODE)?.trim_start().strip_prefix(':'))
        .find_map(|code| RecoveryCode::parse(code).ok())
}

#[cfg(test)]
#[path = "recovery_file_tests.rs"]
mod tests;
