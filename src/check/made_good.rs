//! Packs that are lost or damaged, and of which nothing is lost: every chunk of theirs lies in a sound pack too. So it is after the
//! next backup has stored again what such packs held.

use std::collections::{HashMap, HashSet};

use super::CheckError;
use super::objects::{Objects, read_index};
use super::report::CheckReport;
use crate::model::{ChunkId, PackKey};
use crate::repo::{Repository, names};

/// With more chunks in such packs none is set apart: memory is bounded.
const MOST_CHUNKS: usize = 1_000_000;

/// Moves findings about such packs to [`CheckReport::made_good`]. Reads the index objects once more for what the packs held, and again
/// for where else that lies; nothing where no pack is lost.
pub(super) fn set_apart(
    repository: &Repository,
    objects: &Objects,
    report: &mut CheckReport,
) -> Result<(), CheckError> {
    let lost: HashSet<String> = report.of_packs().map(|finding| finding.object.clone()).collect();
    if lost.is_empty() {
        return Ok(());
    }
    let mut held: HashMap<String, Vec<ChunkId>> = HashMap::new();
    let mut wanted: HashSet<ChunkId> = HashSet::new();
    each_pack(repository, objects, |name, _, chunks| {
        if lost.contains(&name) && wanted.len() <= MOST_CHUNKS {
            wanted.extend(&chunks);
            held.entry(name).or_default().extend(chunks);
        }
    })?;
    if wanted.len() > MOST_CHUNKS {
        return Ok(());
    }
    each_pack(repository, objects, |name, key, chunks| {
        if !lost.contains(&name) && objects.packs.contains_key(&key) {
            for id in chunks.iter().filter(|id| !objects.bad_chunks.contains_key(id)) {
                wanted.remove(id);
            }
        }
    })?;
    let is_good = |name: &str| held.get(name).is_some_and(|chunks| chunks.iter().all(|id| !wanted.contains(id)));
    let (good, bad) = std::mem::take(&mut report.findings)
        .into_iter()
        .partition(|finding| finding.code.is_of_pack() && is_good(&finding.object));
    (report.made_good, report.findings) = (good, bad);
    Ok(())
}

/// Its name, its key, its chunks.
fn each_pack(
    repository: &Repository,
    objects: &Objects,
    mut see: impl FnMut(String, PackKey, Vec<ChunkId>),
) -> Result<(), CheckError> {
    for (machine, index) in &objects.indexes {
        for pack in read_index(repository, machine, index)?.packs {
            let key = PackKey { machine: machine.id, is_tree: pack.is_tree, hash: pack.hash };
            let name = names::pack(&key.machine, key.is_tree, &key.hash).to_string();
            see(name, key, pack.frames.iter().map(|frame| frame.id).collect());
        }
    }
    Ok(())
}
