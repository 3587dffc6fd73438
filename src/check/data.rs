//! Reading packs: each hashed against its name, each of its frames opened from the same bytes.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::CheckError;
use super::frames::Frames;
use super::objects::{Objects, read_index};
use super::progress::CheckProgress;
use super::report::{CheckReport, Finding, FindingCode};
use crate::crypto::{self, ObjectHasher};
use crate::model::{ChunkId, ChunkLocation, PackKey, StorageClass, with_causes};
use crate::repo::{Contents, RepoError, Repository, names, unless_gone};
use crate::store::StoreError;

/// Long enough that the delay of a request does not count.
const READ_BYTES: u64 = 8 << 20;

/// What is to be read of the packs of one class.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DataReads {
    pub class: StorageClass,
    pub packs: u64,
    pub bytes: u64,
    pub requests: u64,
}

/// A pack to be read, with what is known to be in it.
struct Chosen {
    pack: PackKey,
    size: u64,
    frames: Vec<(ChunkId, ChunkLocation)>,
}

/// A random part of the packs that can be read: of those that read at once, and of those in archives, which may have been thawed.
/// Of each at least one.
pub(super) fn choose(objects: &Objects, percent: u8) -> HashSet<PackKey> {
    let readable = objects.packs.iter().filter(|(pack, _)| !objects.unreadable.contains_key(pack));
    let (at_once, archived): (Vec<_>, Vec<_>) = readable.partition(|(_, pack)| pack.class.reads_at_once());
    let seed: [u8; 32] = crypto::random();
    let part = |packs: Vec<(&PackKey, _)>| {
        let mut packs: Vec<PackKey> = packs.into_iter().map(|(pack, _)| *pack).collect();
        let count = (packs.len() * usize::from(percent)).div_ceil(100);
        packs.sort_by_cached_key(|pack| crypto::hash(&[&seed[..], pack.hash.as_bytes()].concat()));
        packs.truncate(count);
        packs
    };
    part(at_once).into_iter().chain(part(archived)).collect()
}

/// What reading these takes, by class; what is archived is not read.
pub(super) fn reads_of(objects: &Objects, chosen: &HashSet<PackKey>) -> Vec<DataReads> {
    let mut reads: Vec<DataReads> = Vec::new();
    let packs = chosen.iter().map(|pack| objects.packs[pack]);
    for pack in packs.filter(|pack| pack.class.reads_at_once()) {
        let at = reads.iter().position(|of| of.class == pack.class).unwrap_or_else(|| {
            reads.push(DataReads { class: pack.class, packs: 0, bytes: 0, requests: 0 });
            reads.len() - 1
        });
        reads[at].packs += 1;
        reads[at].bytes += pack.size;
        reads[at].requests += pack.size.div_ceil(READ_BYTES);
    }
    reads
}

/// Notes chunks that do not open in `objects`.
pub(super) fn read_packs(
    repository: &Repository,
    contents: &Contents,
    objects: &mut Objects,
    mut waiting: HashSet<PackKey>,
    progress: &CheckProgress,
    report: &mut CheckReport,
) -> Result<(), CheckError> {
    progress.expect(waiting.iter().map(|pack| objects.packs[pack].size).sum());
    let reading = Reading { repository, contents, progress };
    let Objects { packs, indexes, bad_chunks, .. } = objects;
    for (machine, name) in &*indexes {
        let body = match read_index(repository, machine, name) {
            Ok(body) => body,
            Err(error) => {
                // it was read before: its packs are read as those that no index object lists
                unless_gone(error)?;
                continue;
            }
        };
        let chosen = body.packs.into_iter().filter_map(|pack| {
            let key = PackKey { machine: machine.id, is_tree: pack.is_tree, hash: pack.hash };
            let place = |offset, len| ChunkLocation { pack: key, offset, len };
            let frames = pack.located().map(|(frame, offset)| (frame.id, place(offset, frame.len))).collect();
            waiting.remove(&key).then(|| Chosen { pack: key, size: packs[&key].size, frames })
        });
        let chosen: Vec<Chosen> = chosen.collect();
        reading.all(&chosen, bad_chunks, report)?;
    }
    // packs that no index object lists: their frames are found by nobody, or by their own directories
    let rest: Vec<Chosen> =
        waiting.into_iter().map(|pack| Chosen { pack, size: packs[&pack].size, frames: vec![] }).collect();
    reading.all(&rest, bad_chunks, report)
}

struct Reading<'a> {
    repository: &'a Repository,
    contents: &'a Contents,
    progress: &'a CheckProgress,
}

#[derive(Default)]
struct Found {
    findings: Vec<Finding>,
    bad_chunks: Vec<(ChunkId, String)>,
    packs: u64,
    archived: u64,
    bytes: u64,
    fatal: Option<CheckError>,
}

impl Reading<'_> {
    /// One thread per core, each with a pack at a time.
    fn all(
        &self,
        chosen: &[Chosen],
        bad_chunks: &mut HashMap<ChunkId, String>,
        report: &mut CheckReport,
    ) -> Result<(), CheckError> {
        let (next, found) = (AtomicUsize::new(0), Mutex::new(Found::default()));
        let threads = std::thread::available_parallelism().map_or(2, |cores| cores.get()).min(chosen.len());
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    while let Some(pack) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if let Err(error) = self.pack(pack, &found) {
                            found.lock().expect("nothing panics while it is held").fatal = Some(error);
                            return;
                        }
                    }
                });
            }
        });
        let found = found.into_inner().expect("nothing panics while it is held");
        report.findings.extend(found.findings);
        report.packs_read += found.packs;
        report.packs_archived += found.archived;
        report.bytes_read += found.bytes;
        bad_chunks.extend(found.bad_chunks);
        found.fatal.map_or(Ok(()), Err)
    }

    fn pack(&self, chosen: &Chosen, found: &Mutex<Found>) -> Result<(), CheckError> {
        let mut frames = Frames::new(self.contents, &chosen.frames);
        let changed = match self.hash(chosen, &mut frames) {
            Err(CheckError::Repository(RepoError::Store(StoreError::Archived { .. }))) => {
                found.lock().expect("nothing panics while it is held").archived += 1;
                return Ok(());
            }
            other => other?,
        };
        let mut bad_chunks = Vec::new();
        for id in frames.suspects() {
            self.progress.go_on()?;
            // once more, and from its other places
            match self.contents.chunk(&id) {
                Ok(_) => {}
                // what an archive holds as well is as good as everything else there that nobody reads
                Err(error) if error.is_archived() => {}
                Err(RepoError::Store(error)) if error.is_of_target() => return Err(RepoError::from(error).into()),
                Err(error) => bad_chunks.push((id, with_causes(&error))),
            }
        }
        let object = names::pack(&chosen.pack.machine, chosen.pack.is_tree, &chosen.pack.hash).to_string();
        let mut found = found.lock().expect("nothing panics while it is held");
        found.packs += 1;
        found.bytes += chosen.size;
        let finding = |code, message| Finding { code, object: object.clone(), message };
        found.findings.extend(changed.map(|(code, message)| finding(code, message)));
        found.findings.extend(bad_chunks.iter().map(|(_, message)| finding(FindingCode::Frame, message.clone())));
        found.bad_chunks.extend(bad_chunks);
        Ok(())
    }

    /// `Some`: what is wrong with its bytes.
    fn hash(&self, chosen: &Chosen, frames: &mut Frames<'_>) -> Result<Option<(FindingCode, String)>, CheckError> {
        let name = names::pack(&chosen.pack.machine, chosen.pack.is_tree, &chosen.pack.hash);
        let mut hasher = ObjectHasher::new();
        let mut at = 0;
        while at < chosen.size {
            self.progress.go_on()?;
            let len = READ_BYTES.min(chosen.size - at);
            match self.repository.store.get_range(&name, at, len) {
                Ok(bytes) => {
                    hasher.update(&bytes);
                    frames.piece(&bytes);
                }
                Err(error) if error.is_of_target() || matches!(error, StoreError::Archived { .. }) => {
                    return Err(RepoError::from(error).into());
                }
                Err(error) => return Ok(Some((code_of(&error), with_causes(&error)))),
            }
            self.progress.read(len);
            at += len;
        }
        let is_right = hasher.finish() == chosen.pack.hash;
        let message = "its bytes are not those that its name is made of";
        Ok((!is_right).then(|| (FindingCode::PackChanged, message.to_owned())))
    }
}

fn code_of(error: &StoreError) -> FindingCode {
    match error {
        StoreError::Io { .. } => FindingCode::PackUnreadable,
        _ => FindingCode::PackChanged,
    }
}
