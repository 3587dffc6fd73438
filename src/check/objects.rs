//! Packs and index objects: what is there, and whether the lists agree with it.

use std::collections::{HashMap, HashSet};

use super::CheckError;
use super::report::{CheckReport, Finding, FindingCode};
use crate::crypto;
use crate::format::{FormatError, IndexBody, open_index};
use crate::model::{ChunkId, ChunkLocation, PackKey, with_causes};
use crate::repo::{Machine, RepoError, Repository, names};
use crate::store::ObjectName;

const MAX_INDEX: u64 = 256 << 20;

/// What the target holds, and what of it is known to be bad.
pub(super) struct Objects {
    /// With their sizes in bytes.
    pub packs: HashMap<PackKey, u64>,
    /// Readable ones.
    pub indexes: Vec<(Machine, ObjectName)>,
    /// Chunks whose frames do not open, and why.
    pub bad_chunks: HashMap<ChunkId, String>,
}

/// What an index object says of a pack: which, and how long.
type Indexed = (PackKey, u64);

impl Objects {
    /// Index objects first: they list only packs that are there already, whoever adds to the repository meanwhile.
    pub fn read(repository: &Repository, machines: &[Machine], report: &mut CheckReport) -> Result<Self, CheckError> {
        let mut objects = Self { packs: HashMap::new(), indexes: vec![], bad_chunks: HashMap::new() };
        let indexed = objects.read_indexes(repository, machines, report)?;
        objects.list_packs(repository, machines)?;
        objects.compare(&indexed, report);
        Ok(objects)
    }

    fn list_packs(&mut self, repository: &Repository, machines: &[Machine]) -> Result<(), CheckError> {
        for machine in machines {
            for (folder, is_tree) in [("packs", false), ("trees", true)] {
                let listed = repository.store.list(&names::folder(&machine.id, folder)).map_err(RepoError::from)?;
                let key = |name| Some(PackKey { machine: machine.id, is_tree, hash: names::hash_of(name)? });
                self.packs.extend(listed.iter().filter_map(|object| Some((key(&object.name)?, object.size))));
            }
        }
        Ok(())
    }

    fn read_indexes(
        &mut self,
        repository: &Repository,
        machines: &[Machine],
        report: &mut CheckReport,
    ) -> Result<Vec<Indexed>, CheckError> {
        let mut indexed = Vec::new();
        for machine in machines {
            for listed in repository.store.list(&names::folder(&machine.id, "index")).map_err(RepoError::from)? {
                match read_index(repository, machine, &listed.name) {
                    Ok(body) => {
                        let key = |hash, is_tree| PackKey { machine: machine.id, is_tree, hash };
                        indexed.extend(body.packs.iter().map(|pack| (key(pack.hash, pack.is_tree), pack.size)));
                        self.indexes.push((machine.clone(), listed.name));
                    }
                    Err(error) => report.findings.push(Finding {
                        code: FindingCode::Index,
                        object: listed.name.to_string(),
                        message: with_causes(&error),
                    }),
                }
            }
        }
        Ok(indexed)
    }

    /// A pack may stand in several index objects; it is told of once.
    fn compare(&self, indexed: &[Indexed], report: &mut CheckReport) {
        let mut told = HashSet::new();
        for (key, expected) in indexed {
            let (code, message) = match self.packs.get(key) {
                None => (FindingCode::PackMissing, "it is missing".to_owned()),
                Some(size) if size != expected => {
                    (FindingCode::PackSize, format!("it has {size} bytes instead of {expected}"))
                }
                Some(_) => continue,
            };
            if told.insert(*key) {
                let object = names::pack(&key.machine, key.is_tree, &key.hash).to_string();
                report.findings.push(Finding { code, object, message });
            }
        }
    }

    /// Why a chunk at this place cannot be read, as far as that is known without reading it.
    pub fn fault(&self, id: &ChunkId, at: &ChunkLocation) -> Option<String> {
        if let Some(fault) = self.bad_chunks.get(id) {
            return Some(fault.clone());
        }
        let name = || names::pack(&at.pack.machine, at.pack.is_tree, &at.pack.hash);
        match self.packs.get(&at.pack) {
            None => Some(format!("{} is missing", name())),
            Some(size) if at.offset.checked_add(u64::from(at.len)).is_none_or(|end| end > *size) => {
                Some(format!("{} is cut off", name()))
            }
            Some(_) => None,
        }
    }
}

pub(super) fn read_index(
    repository: &Repository,
    machine: &Machine,
    name: &ObjectName,
) -> Result<IndexBody, RepoError> {
    let object = |source| RepoError::Object { name: name.clone(), source };
    let bytes = repository.store.get(name, MAX_INDEX)?;
    if names::hash_of(name) != Some(crypto::hash(&bytes)) {
        return Err(object(FormatError::Damaged("its bytes are not those that its name is made of")));
    }
    open_index(&bytes, &repository.keys.repo_id, &repository.keys.index, Some(&machine.signers)).map_err(object)
}
