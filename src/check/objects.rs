//! Packs and index objects: what is there, and whether the lists agree with it.

use std::collections::{HashMap, HashSet};

use super::CheckError;
use super::report::{CheckReport, Finding, FindingCode};
use crate::crypto;
use crate::format::{FormatError, IndexBody, open_index};
use crate::model::{ChunkId, ChunkLocation, MachineId, PackKey, with_causes};
use crate::repo::{ListedPack, Machine, RepoError, Repository, names, unless_gone};
use crate::store::ObjectName;

const MAX_INDEX: u64 = 256 << 20;

/// What the target holds, and what of it is known to be bad.
#[derive(Default)]
pub(super) struct Objects {
    /// With size 0 those that cannot be read.
    pub packs: HashMap<PackKey, ListedPack>,
    /// Packs that are there and cannot even be looked at, and why.
    pub unreadable: HashMap<PackKey, String>,
    /// Packs that no index object lists.
    pub unlisted: HashSet<PackKey>,
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
        let mut objects = Self::default();
        let indexed = objects.read_indexes(repository, machines, report)?;
        objects.list_packs(repository, machines)?;
        objects.compare(&indexed, report);
        objects.tell_unreadable(report);
        let listed: HashSet<&PackKey> = indexed.iter().map(|(key, _)| key).collect();
        objects.unlisted = objects.packs.keys().filter(|key| !listed.contains(key)).copied().collect();
        Ok(objects)
    }

    fn list_packs(&mut self, repository: &Repository, machines: &[Machine]) -> Result<(), CheckError> {
        for machine in machines {
            for (folder, is_tree) in [("packs", false), ("trees", true)] {
                for listed in repository.store.list(&names::folder(&machine.id, folder)).map_err(RepoError::from)? {
                    let Some(hash) = names::hash_of(&listed.name) else { continue };
                    let pack = ListedPack { size: listed.size, class: listed.class };
                    self.pack(repository, PackKey { machine: machine.id, is_tree, hash }, pack, &listed.name)?;
                }
            }
        }
        Ok(())
    }

    fn pack(
        &mut self,
        repository: &Repository,
        key: PackKey,
        pack: ListedPack,
        name: &ObjectName,
    ) -> Result<(), CheckError> {
        if pack.size == 0 {
            match repository.store.head(name) {
                Ok(Some(_)) => {}
                // a link that leads nowhere
                Ok(None) => return Ok(()),
                Err(error) => {
                    self.unreadable.insert(key, with_causes(&unless_gone(error.into())?));
                }
            }
        }
        self.packs.insert(key, pack);
        Ok(())
    }

    fn tell_unreadable(&self, report: &mut CheckReport) {
        report.findings.extend(self.unreadable.iter().map(|(key, why)| {
            let object = names::pack(&key.machine, key.is_tree, &key.hash).to_string();
            Finding { code: FindingCode::PackUnreadable, object, message: why.clone() }
        }));
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
                        message: with_causes(&unless_gone(error)?),
                    }),
                }
            }
        }
        Ok(indexed)
    }

    pub fn packs_of(&self, machine: &MachineId) -> u64 {
        self.packs.keys().filter(|key| key.machine == *machine).count() as u64
    }

    /// A pack may stand in several index objects; it is told of once.
    fn compare(&self, indexed: &[Indexed], report: &mut CheckReport) {
        let mut told = HashSet::new();
        for (key, expected) in indexed {
            let (code, message) = match self.packs.get(key) {
                Some(_) if self.unreadable.contains_key(key) => continue,
                None => (FindingCode::PackMissing, "it is missing".to_owned()),
                Some(ListedPack { size, .. }) if size != expected => {
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
        if let Some(why) = self.unreadable.get(&at.pack) {
            return Some(why.clone());
        }
        let name = || names::pack(&at.pack.machine, at.pack.is_tree, &at.pack.hash);
        match self.packs.get(&at.pack) {
            None => Some(format!("{} is missing", name())),
            Some(pack) if at.offset.checked_add(u64::from(at.len)).is_none_or(|end| end > pack.size) => {
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
