//! The journal as other rooms see it, on real files.

mod arena;
mod billing;
mod crash;
mod hints;
mod listing;
mod open;
mod packs;
mod runs;
mod speed;
mod trees;
mod uploads;

use std::path::Path;

use super::*;
use crate::model::{ChunkId, FileId, ObjectHash, RelPath, Seq};

/// A journal with the roots `home` and `work`, none of them waiting for an audit.
struct Bench {
    dir: tempfile::TempDir,
    journal: Journal,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::open(dir.path()).unwrap();
        let bench = Self { dir, journal };
        for root in ["home", "work"] {
            bench.journal.upsert_root(root, Path::new("/somewhere"), 1).unwrap();
        }
        let run = bench.journal.begin_run(&["home", "work"], 1).unwrap();
        bench.finish(run.id, None, &["home", "work"]);
        bench
    }

    fn finish(&self, run: RunId, head: Option<(Seq, ObjectHash)>, roots: &[&str]) {
        let roots = roots.iter().map(|root| FinishRoot {
            tree: NewTree { root: (*root).to_owned(), tree: chunk(0), put: vec![], drop: vec![] },
            recovery_point_ms: Some(2),
            audited_ms: Some(1),
            reading: Reading::All,
        });
        self.journal.finish_run(&FinishRun { run, now_ms: 3, head, roots: roots.collect() }).unwrap();
    }

    /// `home` has a tree of these nodes from now on; the first is its root.
    fn has_tree(&self, nodes: &[(u64, &[u8])]) {
        let run = self.journal.begin_run(&["home"], 4).unwrap();
        let put = nodes.iter().map(|(number, bytes)| (chunk(*number), bytes.to_vec())).collect();
        let tree = NewTree { root: "home".into(), tree: chunk(nodes[0].0), put, drop: vec![] };
        let roots = vec![FinishRoot { tree, recovery_point_ms: Some(2), audited_ms: None, reading: Reading::All }];
        self.journal.finish_run(&FinishRun { run: run.id, now_ms: 5, head: None, roots }).unwrap();
    }

    /// Through a crash and a new process, as far as the file can tell.
    fn reopened(self) -> Self {
        let Self { dir, journal } = self;
        drop(journal);
        let journal = Journal::open(dir.path()).unwrap();
        Self { dir, journal }
    }
}

fn path(text: &str) -> RelPath {
    RelPath::parse(text.as_bytes()).unwrap()
}

fn chunk(number: u64) -> ChunkId {
    let mut bytes = [0xc4; 32];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    ChunkId(bytes)
}

fn object(number: u8) -> ObjectHash {
    ObjectHash([number; 32])
}

fn file(number: u64) -> FileId {
    let mut bytes = [0xf1; 16];
    // spread like real ids, so that the index sees random places
    bytes[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    FileId(bytes)
}
