//! Names of freezes: they tell whose they are, so that nobody else's is ever removed.

use std::fmt;
use std::str::FromStr;

use crate::model::MachineId;

/// The directory at the top of a filesystem that holds freezes. Never part of a backup.
pub const FREEZE_DIR: &str = ".rozen-freeze";

/// What the caller knows a freeze by: one root in one run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FreezeId {
    pub run: u64,
    pub root: u32,
}

/// `<machine>-<run>-<root>-<n>`: eight hex digits of the machine, then decimal numbers; `n` counts subvolumes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FreezeName(String);

/// Text that no freeze of ours is named.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the name of a freeze")]
pub struct FreezeNameError(String);

impl FreezeName {
    pub(super) fn new(machine: &MachineId, id: FreezeId, n: usize) -> Self {
        Self(format!("{}-{}-{}-{n}", machine_part(machine), id.run, id.root))
    }

    pub(super) fn is_of(&self, machine: &MachineId) -> bool {
        self.0.split('-').next() == Some(&machine_part(machine))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn machine_part(machine: &MachineId) -> String {
    machine.to_string().chars().take(8).collect()
}

impl fmt::Display for FreezeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for FreezeName {
    type Err = FreezeNameError;

    fn from_str(text: &str) -> Result<Self, FreezeNameError> {
        let hex = |part: &str| part.len() == 8 && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let number = |part: &str| part.parse::<u64>().is_ok_and(|n| n.to_string() == part);
        match text.split('-').collect::<Vec<_>>()[..] {
            [machine, run, root, n] if hex(machine) && [run, root, n].into_iter().all(number) => {
                Ok(Self(text.to_owned()))
            }
            _ => Err(FreezeNameError(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_our_own_form_parse() {
        let machine = MachineId([0xab; MachineId::LEN]);
        let name = FreezeName::new(&machine, FreezeId { run: 12, root: 3 }, 0);
        assert_eq!(name.as_str(), "abababab-12-3-0");
        assert_eq!(name.as_str().parse(), Ok(name.clone()));
        assert!(name.is_of(&machine) && !name.is_of(&MachineId([0xac; MachineId::LEN])));
        for other in ["", "abababab", "abababab-1-2", "ABABABAB-1-2-3", "abababab-1-2-x", "abababab-01-2-3", "a-1-2-3"]
        {
            assert!(other.parse::<FreezeName>().is_err(), "{other}");
        }
    }
}
