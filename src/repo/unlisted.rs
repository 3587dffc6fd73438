//! Packs that no index object names: their own directories say what is in them, and where these are damaged, the heads of their
//! frames.

use std::sync::Arc;

use super::certificates::unless_gone;
use super::contents::Contents;
use super::open::Machine;
use super::{RepoError, names};
use crate::format::{FOOTER_LEN, Footer, FormatError, IndexedFrame, IndexedPack, PackLayout, open_directory};
use crate::model::PackKey;

/// A pack that no index object lists, and how it was found out what is in it.
#[derive(Debug)]
pub struct UnlistedPack {
    pub pack: PackKey,
    pub found: FoundBy,
}

#[derive(Debug)]
pub enum FoundBy {
    Directory,
    /// Its directory or footer is damaged. So many frames were found one by one; there may have been more behind them.
    Heads {
        frames: u64,
        damage: RepoError,
    },
    /// Nothing of it can be used; or it is archived and says nothing before it is thawed.
    Nothing(RepoError),
}

impl Contents {
    /// Looks into all packs that no index object named: once, when somebody asks for the first time. Costs two LISTs a machine
    /// and three requests for each such pack.
    pub fn unlisted(&self) -> Result<Arc<Vec<UnlistedPack>>, RepoError> {
        let mut known = self.unlisted.lock().expect("no panic while it is held");
        if let Some(known) = &*known {
            return Ok(known.clone());
        }
        let mut packs = Vec::new();
        for machine in &self.machines {
            for (folder, is_tree) in [("trees", true), ("packs", false)] {
                for listed in self.store.list(&names::folder(&machine.id, folder))? {
                    let Some(hash) = names::hash_of(&listed.name) else { continue };
                    let pack = PackKey { machine: machine.id, is_tree, hash };
                    if !self.table.lock().expect("no panic while it is held").knows(&pack)? {
                        packs.push(UnlistedPack { pack, found: self.learn(machine, &pack, listed.size)? });
                    }
                }
            }
        }
        Ok(known.insert(Arc::new(packs)).clone())
    }

    fn learn(&self, machine: &Machine, pack: &PackKey, size: u64) -> Result<FoundBy, RepoError> {
        let layout = match self.layout(pack) {
            Ok(layout) => layout,
            Err(error) => return Ok(FoundBy::Nothing(unless_gone(error)?)),
        };
        let (frames, found) = match self.read_directory(machine, pack, &layout, size) {
            Ok(frames) => (frames, FoundBy::Directory),
            Err(error) => {
                let damage = unless_gone(error)?;
                let frames = self.walk_heads(pack, &layout, size)?;
                match frames.len() as u64 {
                    0 => return Ok(FoundBy::Nothing(damage)),
                    count => (frames, FoundBy::Heads { frames: count, damage }),
                }
            }
        };
        let PackKey { hash, is_tree, .. } = *pack;
        let read = IndexedPack { hash, is_tree, size, first_frame: layout.header_len, frames, members: vec![] };
        self.insert(machine, &[read])?;
        Ok(found)
    }

    fn read_directory(
        &self,
        machine: &Machine,
        pack: &PackKey,
        layout: &PackLayout,
        size: u64,
    ) -> Result<Vec<IndexedFrame>, RepoError> {
        let name = names::pack(&pack.machine, pack.is_tree, &pack.hash);
        let object = |source| RepoError::Object { name: name.clone(), source };
        let tail_at = size.checked_sub(FOOTER_LEN as u64);
        let tail_at = tail_at.ok_or_else(|| object(FormatError::Truncated { len: size, needed: FOOTER_LEN as u64 }))?;
        let tail = self.store.get_range(&name, tail_at, FOOTER_LEN as u64)?;
        let footer = Footer::open(&tail, layout, &self.keys.index, Some(&machine.signers)).map_err(object)?;
        if footer.directory_offset.checked_add(footer.directory_len) != Some(tail_at) {
            return Err(object(FormatError::Damaged("its footer points outside")));
        }
        let sealed = self.store.get_range(&name, footer.directory_offset, footer.directory_len)?;
        open_directory(&sealed, &footer, layout, &self.keys.index).map_err(object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ChunkId, Content, Entry};
    use crate::repo::testing::{Entries, TestRepo};
    use crate::seal::FRAME_OVERHEAD;
    use crate::store::{Moment, Store, Verb};
    use rustix::io::Errno;

    const CHUNK: usize = 50_000;
    const CHUNKS: usize = 20;

    /// A file of so many chunks in one pack, and no index object.
    fn without_index(store: Store) -> (TestRepo, Vec<ChunkId>) {
        let mut repo = TestRepo::at(store);
        let noise =
            |n: usize| (0..CHUNK / 32).flat_map(move |m| crate::crypto::hash(&[n as u8, m as u8, (m >> 8) as u8]).0);
        let data: Vec<u8> = (0..CHUNKS).flat_map(noise).collect();
        let Content::Chunked { chunks, .. } = repo.chunked(&data, CHUNK / 32 * 32) else { panic!() };
        repo.commit(&Entries::from([(vec![], Entry::test_dir())]));
        let index = repo.store.list(&names::folder(&repo.keys.machine_id, "index")).unwrap().remove(0);
        repo.store.delete(&index.name).unwrap();
        (repo, chunks.iter().map(|chunk| chunk.id).collect())
    }

    /// How many of the chunks can be read.
    fn whole(contents: &Contents, ids: &[ChunkId]) -> usize {
        ids.iter().filter(|id| contents.chunk(id).is_ok()).count()
    }

    #[test]
    fn a_pack_whose_directory_or_footer_is_damaged_gives_all_its_frames() {
        for from_end in [1, FOOTER_LEN, FOOTER_LEN + 1, FOOTER_LEN + 30] {
            let (repo, ids) = without_index(Store::memory());
            repo.change("/packs/", |bytes| {
                let at = bytes.len() - from_end;
                bytes[at] ^= 1;
            });
            let contents = repo.open().contents().unwrap();
            assert_eq!(whole(&contents, &ids), CHUNKS, "{from_end} bytes before the end");
            let unlisted = contents.unlisted().unwrap();
            let [trees, packs] = &unlisted[..] else { panic!("{unlisted:?}") };
            assert!(matches!(trees.found, FoundBy::Directory), "{trees:?}");
            assert!(matches!(packs.found, FoundBy::Heads { frames: 20, .. }), "{packs:?}");
        }
    }

    #[test]
    fn a_pack_that_was_cut_gives_the_frames_that_are_left() {
        let (repo, ids) = without_index(Store::memory());
        let frame = CHUNK / 32 * 32 + FRAME_OVERHEAD;
        repo.change("/packs/", |bytes| bytes.truncate(PackLayout::USUAL_LEN + 12 * frame + frame / 2));
        assert_eq!(whole(&repo.open().contents().unwrap(), &ids), 12);
    }

    #[test]
    fn behind_a_damaged_head_nothing_is_found_and_nothing_made_up() {
        let (repo, ids) = without_index(Store::memory());
        let frame = CHUNK / 32 * 32 + FRAME_OVERHEAD;
        repo.change("/packs/", |bytes| {
            bytes[PackLayout::USUAL_LEN + 7 * frame + 40] ^= 1;
            *bytes.last_mut().unwrap() ^= 1;
        });
        assert_eq!(whole(&repo.open().contents().unwrap(), &ids), 7);
        let (repo, ids) = without_index(Store::memory());
        repo.change("/packs/", |bytes| bytes[50] ^= 1);
        let contents = repo.open().contents().unwrap();
        assert_eq!(whole(&contents, &ids), 0);
        assert!(matches!(contents.unlisted().unwrap()[1].found, FoundBy::Nothing(_)));
    }

    #[test]
    fn what_the_disk_cannot_read_of_a_directory_or_between_two_heads_stops_no_walk() {
        let (repo, ids) = without_index(Store::memory());
        let (store, faults) = repo.store.clone().failing();
        let contents = repo.open().through(store).contents().unwrap();
        // header, footer and directory of the tree; header and footer of the pack; the first window of the walk
        faults.fail_nth(Verb::GetRange, 5, Moment::Before, Errno::IO);
        faults.fail_nth(Verb::GetRange, 6, Moment::Before, Errno::IO);
        contents.unlisted().unwrap();
        assert_eq!(whole(&contents, &ids), CHUNKS);
    }

    #[test]
    fn a_walk_over_many_frames_takes_few_requests() {
        let (repo, _) = without_index(Store::memory_bucket());
        repo.change("/packs/", |bytes| *bytes.last_mut().unwrap() ^= 1);
        let (repository, recorder) = repo.open_recorded();
        let contents = repository.contents().unwrap();
        recorder.reset();
        contents.unlisted().unwrap();
        let calls = recorder.calls(Verb::GetRange);
        assert!((6..=18).contains(&calls), "{calls}");
    }
}
