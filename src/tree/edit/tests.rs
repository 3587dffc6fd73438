//! The tree against the naive map: whatever edits led to it, it is the tree that a rebuild gives.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;

use super::*;

#[derive(Default)]
struct Memory {
    nodes: RefCell<HashMap<ChunkId, Vec<u8>>>,
    reads: RefCell<usize>,
}

impl NodeSource for Memory {
    type Error = String;
    fn node(&self, id: &ChunkId) -> Result<Vec<u8>, String> {
        *self.reads.borrow_mut() += 1;
        self.nodes.borrow().get(id).cloned().ok_or_else(|| format!("no node {id}"))
    }
}

struct Sink<'a>(&'a Memory, usize);

impl NodeSink for Sink<'_> {
    type Error = String;
    fn put(&mut self, _level: u8, bytes: Vec<u8>) -> Result<ChunkId, String> {
        let id = ChunkId(crate::crypto::hash_fields("test", &[&bytes]));
        Node::decode(&bytes).map_err(|e| e.to_string())?;
        self.0.nodes.borrow_mut().insert(id, bytes);
        self.1 += 1;
        Ok(id)
    }
}

fn entry(size: u64) -> Entry {
    Entry::test_file(size)
}

fn key(dir: &str, name: &str) -> TreeKey {
    TreeKey { dir: dir.into(), name: name.into() }
}

fn run(
    memory: &Memory,
    root: Option<ChunkId>,
    edits: &BTreeMap<TreeKey, Option<Entry>>,
    ranges: Vec<RangeDelete>,
) -> (Option<TreeSummary>, usize) {
    let reader = TreeReader::new(memory, root);
    let mut sink = Sink(memory, 0);
    let edits = edits.iter().map(|(k, e)| Ok((k.clone(), e.clone())));
    let applied = apply(&reader, edits, ranges, &mut sink).expect("nodes are there");
    (applied.summary, sink.1)
}

fn rebuild(memory: &Memory, map: &BTreeMap<TreeKey, Entry>) -> Option<TreeSummary> {
    let edits = map.iter().map(|(k, e)| (k.clone(), Some(e.clone()))).collect();
    run(memory, None, &edits, vec![]).0
}

fn large_map(count: u64) -> BTreeMap<TreeKey, Entry> {
    (0..count).map(|i| (key(&format!("dir{:03}/sub", i / 97), &format!("file{i:06}")), entry(i))).collect()
}

#[test]
fn one_edit_in_a_large_tree_reads_and_writes_few_nodes() {
    let memory = Memory::default();
    let mut map = large_map(50_000);
    let before = rebuild(&memory, &map).unwrap();
    assert_eq!(before.entries, 50_000);
    let changed = key("dir250/sub", "file024300");
    map.insert(changed.clone(), entry(7));
    *memory.reads.borrow_mut() = 0;
    let (after, puts) = run(&memory, Some(before.root), &BTreeMap::from([(changed, Some(entry(7)))]), vec![]);
    assert!(puts <= 6 && *memory.reads.borrow() <= 6, "{puts} puts, {} reads", memory.reads.borrow());
    assert_eq!(after, rebuild(&memory, &map));
}

#[test]
fn no_edit_writes_nothing_and_keeps_the_root() {
    let memory = Memory::default();
    let before = rebuild(&memory, &large_map(5_000)).unwrap();
    let (after, _) = run(&memory, Some(before.root), &BTreeMap::new(), vec![]);
    assert_eq!(after, Some(before));
}

#[test]
fn reading_finds_what_the_map_holds() {
    let memory = Memory::default();
    let map = large_map(3_000);
    let root = rebuild(&memory, &map).unwrap().root;
    let reader = TreeReader::new(&memory, Some(root));
    for (k, e) in map.iter().step_by(41) {
        assert_eq!(reader.get(k).unwrap().as_ref(), Some(e));
    }
    assert_eq!(reader.get(&key("dir000/sub", "nothing")).unwrap(), None);
    let dir = RelPath::parse(b"dir007/sub").unwrap();
    let expected: Vec<_> = map.iter().filter(|(k, _)| k.dir == b"dir007/sub").map(|(k, _)| k.name.clone()).collect();
    let listed: Vec<_> = reader.list(&dir).unwrap().into_iter().map(|(name, _)| name).collect();
    assert_eq!(listed, expected);
}

fn small_key() -> impl Strategy<Value = TreeKey> {
    (prop::sample::select(vec!["", "a", "a-", "a/b", "a/b/c", "a0", "b"]), 0..400u16)
        .prop_map(|(dir, name)| key(dir, &format!("n{name}")))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// History does not show: edited and rebuilt trees are the same tree.
    #[test]
    fn edits_and_ranges_give_the_tree_of_the_resulting_map(
        start in prop::collection::btree_map(small_key(), 0..99u64, 0..1500),
        rounds in prop::collection::vec(
            (prop::collection::btree_map(small_key(), prop::option::of(0..99u64), 0..40),
             prop::option::of(prop::sample::select(vec!["a", "a/b", "b"]))), 1..4),
    ) {
        let memory = Memory::default();
        let mut map: BTreeMap<_, _> = start.into_iter().map(|(k, size)| (k, entry(size))).collect();
        let mut root = rebuild(&memory, &map).map(|s| s.root);
        for (edits, removed) in rounds {
            let edits: BTreeMap<_, _> = edits.into_iter().map(|(k, size)| (k, size.map(entry))).collect();
            let ranges = removed.map_or(vec![], |dir| RangeDelete::below(&RelPath::parse(dir.as_bytes()).unwrap()));
            if let Some(dir) = removed {
                map.retain(|k, _| k.dir != dir.as_bytes() && !k.dir.starts_with(format!("{dir}/").as_bytes()));
            }
            for (k, e) in &edits {
                match e {
                    Some(e) => { map.insert(k.clone(), e.clone()); }
                    None => { map.remove(k); }
                }
            }
            let (after, _) = run(&memory, root, &edits, ranges);
            prop_assert_eq!(after, rebuild(&memory, &map));
            root = after.map(|s| s.root);
        }
    }

    #[test]
    fn bytes_from_outside_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Node::decode(&bytes);
    }
}
