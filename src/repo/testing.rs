//! Small repositories made by hand, for the tests of the rooms that read them.

use std::collections::BTreeMap;

use super::{Repository, create, enroll, names};
use crate::chunk::ChunkLimits;
use crate::crypto::{self, FileIdKeys, MachineKeys, RecoverySecret, SealingSlot, Serial};
use crate::format::{
    ContentMap, IndexBody, IndexedFrame, Manifest, ManifestBody, ManifestRoot, ManifestStats, MemberRow, seal_index,
    seal_manifest,
};
use crate::model::{
    ChunkId, ChunkRef, Content, Entry, Extent, MachineId, ObjectHash, RelPath, Seq, StorageClass, Timestamp,
};
use crate::pack::{PackWriter, SealedFrame, Spool};
use crate::seal::{FrameKind, FrameSealer};
use crate::store::{ObjectName, PutSource, Recorder, Store};
use crate::tree::{NodeSink, TreeKey, TreeReader, apply};

/// A repository in memory with one machine. Content is added, then a commit makes packs, index and manifest of it.
pub struct TestRepo {
    pub store: Store,
    pub secret: RecoverySecret,
    pub keys: MachineKeys,
    files: FileIdKeys,
    slot: SealingSlot,
    sealer: FrameSealer,
    data: Vec<SealedFrame>,
    trees: Vec<SealedFrame>,
    last: (Seq, ObjectHash),
    /// Of packs of content.
    pub class: StorageClass,
}

/// Entries by path; the empty path is the root's own entry.
pub type Entries = BTreeMap<Vec<u8>, Entry>;

impl TestRepo {
    pub fn new() -> Self {
        Self::at(Store::memory())
    }

    /// In a store that is empty.
    pub fn at(store: Store) -> Self {
        let secret = RecoverySecret::from_bytes([7; 32]);
        let repo = create(&store, &secret, ChunkLimits::DEFAULT, "2026-01-01T00:00:00Z").unwrap();
        let keys = enroll(&store, &secret, repo).unwrap();
        let slot = SealingSlot::create(&keys);
        let sealer = FrameSealer::new(&keys, &slot, 1).unwrap();
        let files = keys.id.file_ids();
        let last = (Seq(0), ObjectHash([0; 32]));
        Self {
            store,
            secret,
            files,
            slot,
            sealer,
            data: vec![],
            trees: vec![],
            last,
            keys,
            class: StorageClass::Standard,
        }
    }

    /// With what the reading of it asks for, from now on.
    pub fn open_recorded(&self) -> (Repository, Recorder) {
        let (store, recorder) = self.store.clone().recording();
        (Repository::open(store, &self.secret).unwrap(), recorder)
    }

    pub fn open(&self) -> Repository {
        Repository::open(self.store.clone(), &self.secret).unwrap()
    }

    pub fn manifest(&self, seq: Seq) -> Manifest {
        let repository = self.open();
        repository.manifest(&repository.machine(self.keys.machine_id).unwrap(), seq).unwrap()
    }

    /// A file of chunks of at most `chunk` bytes.
    pub fn chunked(&mut self, data: &[u8], chunk: usize) -> Content {
        let chunks = self.chunks(data, chunk);
        Content::Chunked { id: self.files.of_chunks(&chunks), chunks }
    }

    pub fn mapped(&mut self, data: &[u8], chunk: usize, extents: Option<Vec<Extent>>) -> Content {
        let chunks = self.chunks(data, chunk);
        let id = self.files.of_chunks(&chunks);
        let map = ContentMap { chunks, extents }.encode();
        let pieces = map.chunks(100).map(|piece| self.chunk(FrameKind::ContentMap, piece, vec![])).collect();
        Content::Mapped { id, map: pieces }
    }

    /// One bundle of several files.
    pub fn bundled(&mut self, files: &[&[u8]]) -> Vec<Content> {
        let rows: Vec<_> = files.iter().map(|f| MemberRow { id: self.files.of_data(f), len: f.len() as u32 }).collect();
        let bundle = self.chunk(FrameKind::Bundle, &files.concat(), rows.clone()).id;
        let mut offset = 0;
        rows.iter()
            .map(|row| {
                let at = offset;
                offset += row.len;
                Content::Bundled { id: row.id, bundle, offset: at, len: row.len }
            })
            .collect()
    }

    /// A snapshot of one root `home` that was `/home/u`.
    pub fn commit(&mut self, entries: &Entries) -> Manifest {
        self.commit_roots(&[("home", "/home/u", entries)])
    }

    pub fn commit_roots(&mut self, roots: &[(&str, &str, &Entries)]) -> Manifest {
        let trees: Vec<Option<ChunkId>> = roots.iter().map(|(_, _, entries)| self.tree(entries)).collect();
        let packs = [(false, std::mem::take(&mut self.data)), (true, std::mem::take(&mut self.trees))];
        let packs = packs.into_iter().filter(|(_, frames)| !frames.is_empty());
        let packs = packs.map(|(is_tree, frames)| self.pack(is_tree, &frames)).collect();
        let keys = &self.keys;
        let index = seal_index(&IndexBody { packs }, keys.repo_id, keys.machine_id, &keys.index, &keys.signing);
        self.store_object(&names::index(&keys.machine_id, &crypto::hash(&index)), &index);
        let mut manifest = manifest_of(&roots.iter().map(|(id, path, _)| (*id, *path)).collect::<Vec<_>>());
        for ((root, tree), (_, _, entries)) in manifest.body.roots.iter_mut().zip(trees).zip(roots) {
            root.tree = tree;
            root.entries = entries.len() as u64;
        }
        let (seq, previous) = (self.last.0.next(), self.last.1);
        manifest.body.finished = Timestamp::new(1_700_000_000 + 3600 * seq.0 as i64, 0);
        let bytes = seal_manifest(&manifest.body, seq, previous, keys);
        self.store_object(&names::manifest(&keys.machine_id, seq), &bytes);
        self.last = (seq, crypto::hash(&bytes));
        self.manifest(seq)
    }

    /// Flips a bit in the middle of every object of the machine whose name holds `folder`.
    pub fn damage(&self, folder: &str) {
        self.change(folder, |bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
        });
    }

    pub fn change(&self, folder: &str, change: impl Fn(&mut Vec<u8>)) {
        for listed in self.store.list("machines/").unwrap() {
            if listed.name.as_str().contains(folder) {
                let mut bytes = self.store.get(&listed.name, u64::MAX).unwrap();
                change(&mut bytes);
                self.store.delete(&listed.name).unwrap();
                self.store_object(&listed.name, &bytes);
            }
        }
    }

    fn chunks(&mut self, data: &[u8], chunk: usize) -> Vec<ChunkRef> {
        data.chunks(chunk).map(|part| self.chunk(FrameKind::Content, part, vec![])).collect()
    }

    fn chunk(&mut self, kind: FrameKind, plain: &[u8], members: Vec<MemberRow>) -> ChunkRef {
        let id = self.sealer.id(kind, plain);
        let mut bytes = Vec::new();
        let head = self.sealer.seal(kind, id, plain, &mut bytes).unwrap();
        let frame = IndexedFrame { id, kind: kind.code(), len: bytes.len() as u32, raw_len: head.raw_len };
        let frames =
            if matches!(kind, FrameKind::Node | FrameKind::ContentMap) { &mut self.trees } else { &mut self.data };
        frames.push(SealedFrame { bytes, frame, members });
        ChunkRef { id, len: head.raw_len }
    }

    fn tree(&mut self, entries: &Entries) -> Option<ChunkId> {
        let mut edits: Vec<_> = entries
            .iter()
            .map(|(path, entry)| (TreeKey::of(&RelPath::parse(path).unwrap()), Some(entry.clone())))
            .collect();
        edits.sort_by(|a, b| a.0.cmp(&b.0));
        let empty = TreeReader::new(NoNodes, None);
        let applied = apply(&empty, edits.into_iter().map(Ok), vec![], self).unwrap_or_else(|_| panic!("in memory"));
        applied.summary.map(|summary| summary.root)
    }

    fn pack(&self, is_tree: bool, frames: &[SealedFrame]) -> crate::format::IndexedPack {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path()).unwrap();
        let mut writer =
            PackWriter::create(&spool, is_tree, &self.keys, std::slice::from_ref(&self.slot.slot)).unwrap();
        frames.iter().for_each(|frame| writer.append(frame).unwrap());
        let pack = writer.finish(&self.keys).unwrap();
        let name = names::pack(&self.keys.machine_id, is_tree, &pack.hash());
        let class = if is_tree { StorageClass::Standard } else { self.class };
        let bytes = std::fs::read(&pack.path).unwrap();
        self.store.put_if_absent(&name, PutSource::Bytes(&bytes), class).unwrap();
        pack.index
    }

    fn store_object(&self, name: &ObjectName, bytes: &[u8]) {
        self.store.put_if_absent(name, PutSource::Bytes(bytes), StorageClass::Standard).unwrap();
    }
}

impl NodeSink for TestRepo {
    type Error = std::convert::Infallible;
    fn put(&mut self, _level: u8, bytes: Vec<u8>) -> Result<ChunkId, Self::Error> {
        Ok(self.chunk(FrameKind::Node, &bytes, vec![]).id)
    }
}

struct NoNodes;

impl crate::tree::NodeSource for NoNodes {
    type Error = std::convert::Infallible;
    fn node(&self, _: &ChunkId) -> Result<Vec<u8>, Self::Error> {
        unreachable!("an empty tree has no nodes")
    }
}

/// A manifest with these roots (id, path) and no trees.
pub fn manifest_of(roots: &[(&str, &str)]) -> Manifest {
    let root = |(id, path): &(&str, &str)| ManifestRoot {
        id: (*id).to_owned(),
        path: path.as_bytes().to_vec(),
        tree: None,
        entries: 0,
        bytes: 0,
        frozen_by: "live".into(),
        complete: true,
        recovery_point: None,
    };
    let body = ManifestBody {
        started: Timestamp::default(),
        finished: Timestamp::default(),
        host: "host".into(),
        roots: roots.iter().map(root).collect(),
        program: "rozen test".into(),
        partial: false,
        problem_count: 0,
        problems: vec![],
        stats: ManifestStats::default(),
        config: None,
    };
    Manifest { machine: MachineId([1; 16]), seq: Seq(1), previous: ObjectHash([0; 32]), serial: Serial::FIRST, body }
}
