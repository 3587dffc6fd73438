//! What a check found.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::model::{MachineId, ObjectHash, Seq, base64_encode};
use crate::repo::names;
use crate::store::ObjectName;

/// So many damaged paths are listed; all are counted.
const MAX_LISTED: usize = 10_000;

/// Stable codes: scripts may match on them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingCode {
    /// `rozen.json` is missing or wrong: what is there can be read, nothing can be added.
    Repository,
    /// A machine's certificate is missing or wrong.
    Machine,
    /// A manifest cannot be read: the snapshot cannot be restored.
    Manifest,
    /// A sequence number is missing: a snapshot was taken away.
    Gap,
    /// A machine has packs and no snapshot.
    NoSnapshot,
    /// A manifest does not follow the one before it: something was exchanged or taken back.
    Chain,
    /// A stored configuration cannot be read; files are not concerned.
    Config,
    /// An index object cannot be used; the packs' own directories stand in for it.
    Index,
    /// A pack that an index object lists is not there.
    PackMissing,
    /// A pack is there, and the target cannot give it: its disk, or the filesystem on it, is damaged.
    PackUnreadable,
    /// A pack is not as long as it was when it was stored.
    PackSize,
    /// No index object lists a pack, and its own directory cannot be used.
    PackDirectory,
    /// The bytes of a pack are not those that its name is made of.
    PackChanged,
    /// A frame of a pack does not open to its chunk.
    Frame,
}

impl FindingCode {
    /// What of such a pack is still on the disk of its machine can be stored again.
    pub fn is_of_pack(self) -> bool {
        use FindingCode::*;
        matches!(self, PackMissing | PackUnreadable | PackSize | PackDirectory | PackChanged | Frame)
    }
}

/// An object that is not as it should be.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
pub struct Finding {
    pub code: FindingCode,
    /// Name of the object, or of the machine.
    pub object: String,
    pub message: String,
}

/// What damage costs: a file, or a part of a tree.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Damage {
    pub machine: MachineId,
    /// Absolute, as it was on the machine; of a part of a tree its first path.
    pub path: String,
    /// Base64 of the exact bytes, only where `path` could not hold them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_b64: Option<String>,
    /// More than one: a part of a tree, from `path` on.
    pub entries: u64,
    pub reason: String,
    pub snapshots: Vec<Seq>,
}

#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct CheckReport {
    pub snapshots: u64,
    pub packs: u64,
    /// Entries of trees; those that several snapshots share are counted once.
    pub entries: u64,
    /// Packs of which all data was read, and their bytes.
    pub packs_read: u64,
    /// Packs that were to be read and are archived: a check thaws nothing.
    pub packs_archived: u64,
    pub bytes_read: u64,
    pub findings: Vec<Finding>,
    /// Of packs that are not as they should be, while all that they held lies in sound packs too: nothing is lost, nothing to do.
    pub made_good: Vec<Finding>,
    /// Packs that no index object lists, and that were read by their own directories. A backup that is under way, or was cut off,
    /// leaves some.
    pub packs_unlisted: u64,
    /// Packs that no index object lists, and that are archived: what is in them is not known.
    pub packs_unlisted_archived: u64,
    /// Some content lies in no pack at all; which pack it was in is not known any more.
    pub has_lost_chunks: bool,
    /// Paths that cannot be restored from some snapshot.
    pub damage_count: u64,
    /// The first of them.
    pub damage: Vec<Damage>,
}

impl CheckReport {
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty() && self.damage_count == 0
    }

    /// Something is lost of which a machine may still have the files: it can be stored again.
    pub fn can_be_stored_again(&self) -> bool {
        self.has_lost_chunks || self.of_packs().next().is_some()
    }

    pub(super) fn of_packs(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.code.is_of_pack())
    }

    /// Packs of a machine that are not what was stored: what of their content is still on its disk can be stored again.
    pub fn lost_packs(&self, machine: &MachineId) -> BTreeSet<ObjectHash> {
        let names = self.of_packs().filter_map(|finding| ObjectName::parse(&finding.object).ok());
        let own = names.filter(|name| name.as_str().starts_with(&names::below(machine)));
        own.filter_map(|name| names::hash_of(&name)).collect()
    }
}

/// Machine, path, reason.
type DamageKey = (MachineId, Vec<u8>, String);

/// Gathers damage: the same path with the same reason in several snapshots is one.
#[derive(Default)]
pub(super) struct DamageList {
    damage: BTreeMap<DamageKey, (u64, Vec<Seq>)>,
    /// What was not listed any more.
    further: u64,
}

impl DamageList {
    pub fn add(&mut self, machine: MachineId, seq: Seq, path: Vec<u8>, entries: u64, reason: &str) {
        let key = (machine, path, reason.to_owned());
        if self.damage.len() >= MAX_LISTED && !self.damage.contains_key(&key) {
            self.further += 1;
            return;
        }
        let (_, seqs) = self.damage.entry(key).or_insert_with(|| (entries, vec![]));
        if seqs.last() != Some(&seq) {
            seqs.push(seq);
        }
    }

    pub fn put_into(self, report: &mut CheckReport) {
        report.damage_count = self.damage.len() as u64 + self.further;
        let damage = self.damage.into_iter().map(|((machine, path, reason), (entries, snapshots))| Damage {
            machine,
            path_b64: std::str::from_utf8(&path).is_err().then(|| base64_encode(&path)),
            path: String::from_utf8_lossy(&path).into_owned(),
            entries,
            reason,
            snapshots,
        });
        report.damage = damage.collect();
    }
}
