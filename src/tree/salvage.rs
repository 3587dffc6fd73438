//! Walking a range of a tree whatever is damaged in it: a node that cannot be read costs the entries below it, no others.

use std::ops::ControlFlow;

use super::key::TreeKey;
use super::node::{ChildRef, Node};
use super::reader::{NodeSource, TreeError, TreeReader, place_of};
use crate::model::{Entry, RelPath};

/// What a walk meets, in key order.
pub enum Seen<'a, E> {
    Entry(&'a TreeKey, &'a Entry),
    Lost(Lost<'a, E>),
}

/// A part of the tree that cannot be read.
pub struct Lost<'a, E> {
    /// Its first key; `None` when the whole tree is lost.
    pub first: Option<&'a TreeKey>,
    /// The first key behind it; `None` when nothing is known to follow.
    pub next: Option<&'a TreeKey>,
    /// How many entries it held, where its parent tells.
    pub entries: Option<u64>,
    pub error: &'a TreeError<E>,
}

type Visit<'v, E> = &'v mut dyn FnMut(Seen<'_, E>) -> ControlFlow<()>;

impl<S: NodeSource> TreeReader<S> {
    /// Every readable entry in `from .. to` (to the end without `to`), and what is lost there, until `visit` breaks.
    pub fn visit_range(&self, from: &TreeKey, to: Option<&TreeKey>, visit: Visit<'_, S::Error>) -> ControlFlow<()> {
        let Some(root) = self.root() else { return ControlFlow::Continue(()) };
        let walk = Walk { reader: self, from, to };
        match self.load(&root, None) {
            Ok(node) => walk.node(&node, None, visit),
            Err(error) => visit(Seen::Lost(Lost { first: None, next: None, entries: None, error: &error })),
        }
    }

    /// The entries below `dir`, without `dir`'s own. For the root, its own entry too.
    pub fn visit_below(&self, dir: &RelPath, visit: Visit<'_, S::Error>) -> ControlFlow<()> {
        if dir.is_root() {
            return self.visit_range(&TreeKey::default(), None, visit);
        }
        let key = |last: &[u8]| TreeKey { dir: [dir.as_bytes(), last].concat(), name: vec![] };
        // names in it, then all directories below it: '0' is the byte after '/'
        self.visit_range(&key(b""), Some(&key(b"\0")), visit)?;
        self.visit_range(&key(b"/"), Some(&key(b"0")), visit)
    }
}

struct Walk<'a, S> {
    reader: &'a TreeReader<S>,
    from: &'a TreeKey,
    to: Option<&'a TreeKey>,
}

impl<S: NodeSource> Walk<'_, S> {
    /// `end`: the first key behind the node, as far as its parents know.
    fn node(&self, node: &Node, end: Option<&TreeKey>, visit: Visit<'_, S::Error>) -> ControlFlow<()> {
        match node {
            Node::Leaf(items) => {
                let start = items.partition_point(|(key, _)| key < self.from);
                for (key, entry) in items[start..].iter().take_while(|(key, _)| self.to.is_none_or(|to| key < to)) {
                    visit(Seen::Entry(key, entry))?;
                }
                ControlFlow::Continue(())
            }
            Node::Inner { level, children } => {
                let start = children.partition_point(|c| c.first <= *self.from).saturating_sub(1);
                for (at, child) in children.iter().enumerate().skip(start) {
                    if self.to.is_some_and(|to| child.first >= *to) {
                        break;
                    }
                    self.child(&children[at..], level - 1, end, visit)?;
                }
                ControlFlow::Continue(())
            }
        }
    }

    /// The first of these siblings; the others come after it.
    fn child(
        &self,
        siblings: &[ChildRef],
        level: u8,
        end: Option<&TreeKey>,
        visit: Visit<'_, S::Error>,
    ) -> ControlFlow<()> {
        let Some((child, others)) = siblings.split_first() else { return ControlFlow::Continue(()) };
        let place = place_of(siblings, 0, level, end);
        let next = place.end;
        let mut following = others.iter().take_while(|c| self.to.is_none_or(|to| c.first < *to)).map(|c| c.id);
        match self.reader.load_before(&child.id, Some(place), &mut following) {
            Ok(node) => self.node(&node, next, visit),
            Err(error) => {
                let lost = Lost { first: Some(&child.first), next, entries: Some(child.entries), error: &error };
                visit(Seen::Lost(lost))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::HashMap;

    use super::*;
    use crate::model::ChunkId;
    use crate::tree::{NodeSink, apply};

    #[derive(Default)]
    struct Memory(RefCell<HashMap<ChunkId, Vec<u8>>>);

    impl NodeSource for Memory {
        type Error = String;
        fn node(&self, id: &ChunkId) -> Result<Vec<u8>, String> {
            self.0.borrow().get(id).cloned().ok_or_else(|| "gone".to_owned())
        }
    }

    struct Sink<'a>(&'a Memory);

    impl NodeSink for Sink<'_> {
        type Error = String;
        fn put(&mut self, _level: u8, bytes: Vec<u8>) -> Result<ChunkId, String> {
            let id = ChunkId(crate::crypto::hash_fields("test", &[&bytes]));
            self.0.0.borrow_mut().insert(id, bytes);
            Ok(id)
        }
    }

    fn tree_of(names: &[String]) -> (Memory, ChunkId) {
        let memory = Memory::default();
        let edits = names.iter().map(|name| {
            let path = RelPath::parse(name.as_bytes()).unwrap();
            Ok((TreeKey::of(&path), Some(Entry::test_file(1))))
        });
        let mut edits: Vec<_> = edits.collect::<Result<_, String>>().unwrap();
        edits.sort_by(|a, b| a.0.cmp(&b.0));
        let empty = TreeReader::new(&memory, None);
        let applied = apply(&empty, edits.into_iter().map(Ok), vec![], &mut Sink(&memory)).unwrap_or_else(|_| panic!());
        let root = applied.summary.unwrap().root;
        (memory, root)
    }

    #[test]
    fn a_lost_leaf_costs_its_own_entries_and_says_which() {
        let names: Vec<String> = (0..5000).map(|n| format!("d{}/f{n:05}", n / 100)).collect();
        let (memory, root) = tree_of(&names);
        let leaf = match Node::decode(&memory.node(&root).unwrap()).unwrap() {
            Node::Inner { level: 1, children } => children[children.len() / 2].clone(),
            other => panic!("{} is not level 1", other.level()),
        };
        memory.0.borrow_mut().remove(&leaf.id);
        let (mut seen, mut lost) = (0, vec![]);
        let _ = TreeReader::new(&memory, Some(root)).visit_below(&RelPath::root(), &mut |what| {
            match what {
                Seen::Entry(..) => seen += 1,
                Seen::Lost(part) => lost.push((part.first.cloned(), part.entries.unwrap())),
            }
            ControlFlow::Continue(())
        });
        assert_eq!(lost, [(Some(leaf.first), leaf.entries)]);
        assert_eq!(seen + leaf.entries, 5000);
    }

    #[test]
    fn below_a_directory_stand_its_names_and_those_of_its_directories_alone() {
        let names: Vec<String> = ["a/x", "a/b/c", "a.b/x", "a0/x", "ab", "b/a/x"].map(String::from).to_vec();
        let (memory, root) = tree_of(&names);
        let mut seen = vec![];
        let _ = TreeReader::new(&memory, Some(root)).visit_below(&RelPath::parse(b"a").unwrap(), &mut |what| {
            if let Seen::Entry(key, _) = what {
                seen.push(key.path().unwrap().as_bytes().to_vec());
            }
            ControlFlow::Continue(())
        });
        assert_eq!(seen, [b"a/x".to_vec(), b"a/b/c".to_vec()]);
    }

    fn leaf(memory: &Memory, names: &[&str]) -> ChildRef {
        let key = |name: &&str| TreeKey { dir: vec![], name: name.as_bytes().to_vec() };
        let items: Vec<_> = names.iter().map(|name| (key(name), Entry::test_file(1))).collect();
        let (first, entries) = (items[0].0.clone(), items.len() as u64);
        let id = Sink(memory).put(0, Node::Leaf(items).encode()).unwrap();
        ChildRef { first, id, entries, bytes: 0 }
    }

    fn inner(memory: &Memory, level: u8, children: Vec<ChildRef>) -> ChildRef {
        let first = children[0].first.clone();
        let id = Sink(memory).put(level, Node::Inner { level, children }.encode()).unwrap();
        ChildRef { first, id, entries: 0, bytes: 0 }
    }

    fn named(child: &ChildRef, name: &str) -> ChildRef {
        ChildRef { first: TreeKey { dir: vec![], name: name.as_bytes().to_vec() }, ..child.clone() }
    }

    /// Names that were seen, and where what is lost begins.
    fn walked(memory: &Memory, root: &ChildRef) -> (Vec<String>, Vec<String>) {
        let text = |key: &TreeKey| String::from_utf8(key.name.clone()).unwrap();
        let (mut seen, mut lost) = (vec![], vec![]);
        let _ = TreeReader::new(memory, Some(root.id)).visit_below(&RelPath::root(), &mut |what| {
            match what {
                Seen::Entry(key, _) => seen.push(text(key)),
                Seen::Lost(part) => lost.push(text(part.first.unwrap())),
            }
            ControlFlow::Continue(())
        });
        (seen, lost)
    }

    #[test]
    fn a_node_that_stands_where_it_does_not_belong_is_damaged_and_named() {
        let memory = Memory::default();
        let (one, two) = (leaf(&memory, &["a", "c"]), leaf(&memory, &["b", "d"]));
        // what it holds reaches behind what follows
        let overlapping = inner(&memory, 1, vec![one.clone(), two.clone()]);
        assert_eq!(walked(&memory, &overlapping), (vec!["b".into(), "d".into()], vec!["a".into()]));
        // it begins with another name
        let wrong_first = inner(&memory, 1, vec![one.clone(), named(&two, "c1")]);
        assert_eq!(walked(&memory, &wrong_first), (vec!["a".into(), "c".into()], vec!["c1".into()]));
        // the end is that of a node further up
        let below = inner(&memory, 1, vec![one.clone()]);
        let above = inner(&memory, 2, vec![below, inner(&memory, 1, vec![two.clone()])]);
        assert_eq!(walked(&memory, &above), (vec!["b".into(), "d".into()], vec!["a".into()]));
        let reader = TreeReader::new(&memory, Some(above.id));
        let key = |name: &str| TreeKey { dir: vec![], name: name.as_bytes().to_vec() };
        assert!(matches!(reader.get(&key("a")), Err(TreeError::Misplaced { .. })));
        assert!(reader.get(&key("d")).unwrap().is_some());
        assert!(matches!(reader.list(&RelPath::root()), Err(TreeError::Misplaced { .. })));
    }

    #[test]
    fn a_child_that_is_listed_again_and_again_is_walked_once() {
        let memory = Memory::default();
        let mut node = leaf(&memory, &["a"]);
        for level in 1..=8 {
            let again = (1..50).map(|n| named(&node, &format!("b{level}{n:02}")));
            node = inner(&memory, level, std::iter::once(node.clone()).chain(again).collect());
        }
        let (seen, lost) = walked(&memory, &node);
        assert_eq!((seen, lost.len()), (vec!["a".to_owned()], 8 * 49));
    }
}
