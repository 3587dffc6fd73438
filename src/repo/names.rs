//! Names of the objects of a repository (docs/format.md, "Objects and their names").

use crate::crypto::Serial;
use crate::model::{MachineId, ObjectHash, Seq};
use crate::store::ObjectName;

pub fn repository() -> ObjectName {
    name("rozen.json".into())
}

pub fn certificate(machine: &MachineId, serial: Serial) -> ObjectName {
    name(format!("machines/{machine}/certificates/{:010}", serial.0))
}

pub fn config(machine: &MachineId, hash: &ObjectHash) -> ObjectName {
    name(format!("machines/{machine}/config/{hash}"))
}

pub fn pack(machine: &MachineId, is_tree: bool, hash: &ObjectHash) -> ObjectName {
    let folder = if is_tree { "trees" } else { "packs" };
    name(format!("machines/{machine}/{folder}/{hash}"))
}

pub fn index(machine: &MachineId, hash: &ObjectHash) -> ObjectName {
    name(format!("machines/{machine}/index/{hash}"))
}

pub fn manifest(machine: &MachineId, seq: Seq) -> ObjectName {
    name(format!("machines/{machine}/snapshots/{:020}", seq.0))
}

/// Everything of a machine.
pub fn below(machine: &MachineId) -> String {
    format!("machines/{machine}/")
}

/// What lies below a machine: `certificates`, `config`, `index`, `packs`, `snapshots`, `trees`.
pub fn folder(machine: &MachineId, folder: &str) -> String {
    format!("machines/{machine}/{folder}/")
}

/// The sequence number of a manifest's name; `None` for names that are not ours.
pub fn seq_of(name: &ObjectName) -> Option<Seq> {
    let leaf = name.leaf();
    (leaf.len() == 20).then(|| leaf.parse().ok()).flatten().map(Seq)
}

/// The serial of a certificate's name; `None` for names that are not ours.
pub fn serial_of(name: &ObjectName) -> Option<Serial> {
    let leaf = name.leaf();
    (leaf.len() == 10).then(|| leaf.parse().ok()).flatten().map(Serial)
}

/// The hash of a pack's or an index object's name.
pub fn hash_of(name: &ObjectName) -> Option<ObjectHash> {
    name.leaf().parse().ok()
}

fn name(text: String) -> ObjectName {
    ObjectName::parse(&text).expect("made of hex digits and fixed words")
}
