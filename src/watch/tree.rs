//! Which watch is which directory: wd → (parent wd, name), and back.
//!
//! Full paths are made when an event needs them. At 100,000 directories that is about 16 MiB instead of a path of a
//! hundred bytes in several maps, and a renamed directory moves its whole subtree with one entry.
//!
//! A directory may have several *places*: a root inside another root, a bind mount, or a rename whose events are still
//! unread. What must hold: every wd in `nodes` has at least one place; `children` holds exactly the places of all nodes;
//! the graph has no cycle.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::hint::RootKey;
use crate::model::RelPath;

/// A watch descriptor of the one inotify instance.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct Wd(pub i32);

/// Where a place hangs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Parent {
    /// The place is the root itself; its name is empty.
    Root(RootKey),
    Dir(Wd),
}

type Name = Arc<[u8]>;

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Place {
    parent: Parent,
    name: Name,
}

#[derive(Debug)]
struct Node {
    place: Place,
    /// The root that it counts for.
    root: RootKey,
}

#[derive(Default, Debug)]
pub(super) struct Tree {
    nodes: HashMap<Wd, Node>,
    /// Second and further places; nearly always empty.
    more: HashMap<Wd, Vec<Place>>,
    children: BTreeMap<Place, Wd>,
    counts: BTreeMap<RootKey, u64>,
    /// Lost one of several places since they were last asked for.
    loose: Vec<Wd>,
}

/// What became of [`Tree::attach`]. `gone` are watches that lost their last place by it.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Attached {
    /// It stood there already.
    Same,
    New {
        gone: Vec<Wd>,
    },
    /// The directory has another place too.
    Alias {
        gone: Vec<Wd>,
    },
    /// It is an ancestor of the place: refused.
    Loop,
    /// The parent is not watched any more: refused.
    NoParent,
}

impl Tree {
    /// So many paths of one directory are told apart; more are hinted as whole roots.
    pub(super) const MAX_PATHS: usize = 64;

    pub(super) fn contains(&self, wd: Wd) -> bool {
        self.nodes.contains_key(&wd)
    }

    pub(super) fn child(&self, parent: Parent, name: &[u8]) -> Option<Wd> {
        self.children.get(&Place { parent, name: name.into() }).copied()
    }

    pub(super) fn watched(&self, root: RootKey) -> u64 {
        self.counts.get(&root).copied().unwrap_or(0)
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Names of the watched directories in `wd`.
    pub(super) fn names_in(&self, wd: Wd) -> impl Iterator<Item = &[u8]> {
        let parent = Parent::Dir(wd);
        let first = Place { parent, name: Arc::from([]) };
        self.children.range(first..).take_while(move |(place, _)| place.parent == parent).map(|(place, _)| &*place.name)
    }

    pub(super) fn places(&self, wd: Wd) -> Vec<(Parent, Arc<[u8]>)> {
        let first = self.nodes.get(&wd).map(|node| &node.place);
        let more = self.more.get(&wd).into_iter().flatten();
        first.into_iter().chain(more).map(|place| (place.parent, place.name.clone())).collect()
    }

    /// The watch that stands at a path, and the place of the path under its watched parent.
    pub(super) fn parent_of(&self, root: RootKey, dir: &RelPath) -> Option<(Parent, Arc<[u8]>)> {
        let mut at = (Parent::Root(root), Name::from([]));
        for component in dir.components() {
            let wd = self.child(at.0, &at.1)?;
            at = (Parent::Dir(wd), component.into());
        }
        Some(at)
    }

    /// Says that the directory behind `wd` stands at this place now; whatever stood there before is replaced.
    pub(super) fn attach(&mut self, parent: Parent, name: &[u8], wd: Wd) -> Attached {
        let place = Place { parent, name: name.into() };
        if self.children.get(&place) == Some(&wd) {
            return Attached::Same;
        }
        let Some(root) = self.root_of(parent) else { return Attached::NoParent };
        if self.is_at_or_above(wd, parent) {
            return Attached::Loop;
        }
        let mut gone = self.detach(parent, name);
        gone.retain(|other| *other != wd);
        self.children.insert(place.clone(), wd);
        if self.nodes.contains_key(&wd) {
            self.more.entry(wd).or_default().push(place);
            return Attached::Alias { gone };
        }
        self.nodes.insert(wd, Node { place, root });
        *self.counts.entry(root).or_default() += 1;
        Attached::New { gone }
    }

    /// Takes away a place. Gives all watches that have no place left.
    pub(super) fn detach(&mut self, parent: Parent, name: &[u8]) -> Vec<Wd> {
        let place = Place { parent, name: name.into() };
        let mut gone = Vec::new();
        let mut open = Vec::from_iter(self.children.remove(&place).map(|wd| (place, wd)));
        while let Some((place, wd)) = open.pop() {
            if self.drop_place(wd, &place) {
                gone.push(wd);
                open.extend(self.take_children(wd));
            } else {
                self.loose.push(wd);
            }
        }
        gone
    }

    /// Directories that lost one of several places since this was asked last, and still have another.
    pub(super) fn take_loose(&mut self) -> Vec<Wd> {
        let mut loose = std::mem::take(&mut self.loose);
        loose.retain(|wd| self.contains(*wd));
        loose
    }

    /// Takes away all places of a directory. Gives all watches that have no place left, itself first.
    pub(super) fn forget(&mut self, wd: Wd) -> Vec<Wd> {
        self.places(wd).into_iter().flat_map(|(parent, name)| self.detach(parent, &name)).collect()
    }

    /// All paths of a directory; `None` when there are too many or one cannot be told.
    pub(super) fn paths(&self, wd: Wd) -> Option<Vec<(RootKey, RelPath)>> {
        let mut out = Vec::new();
        let mut open = vec![(wd, Vec::new())];
        while let Some((mut at, mut names)) = open.pop() {
            loop {
                let node = self.nodes.get(&at)?;
                for other in self.more.get(&at).into_iter().flatten() {
                    self.climb(other, names.clone(), &mut open, &mut out)?;
                }
                match node.place.parent {
                    Parent::Root(root) => {
                        out.push((root, join(&names)?));
                        break;
                    }
                    Parent::Dir(parent) => {
                        names.push(node.place.name.clone());
                        at = parent;
                    }
                }
            }
            if out.len() + open.len() > Self::MAX_PATHS {
                return None;
            }
        }
        Some(out)
    }

    /// The path by the first places.
    pub(super) fn one_path(&self, wd: Wd) -> Option<(RootKey, RelPath)> {
        let (mut at, mut names) = (wd, Vec::new());
        loop {
            let place = &self.nodes.get(&at)?.place;
            match place.parent {
                Parent::Root(root) => return Some((root, join(&names)?)),
                Parent::Dir(parent) => {
                    names.push(place.name.clone());
                    at = parent;
                }
            }
        }
    }

    fn climb(
        &self,
        place: &Place,
        mut names: Vec<Name>,
        open: &mut Vec<(Wd, Vec<Name>)>,
        out: &mut Vec<(RootKey, RelPath)>,
    ) -> Option<()> {
        match place.parent {
            Parent::Root(root) => out.push((root, join(&names)?)),
            Parent::Dir(parent) => {
                names.push(place.name.clone());
                open.push((parent, names));
            }
        }
        Some(())
    }

    fn root_of(&self, parent: Parent) -> Option<RootKey> {
        match parent {
            Parent::Root(root) => Some(root),
            Parent::Dir(wd) => self.nodes.get(&wd).map(|node| node.root),
        }
    }

    /// Does the place under `parent` lie in `wd`?
    fn is_at_or_above(&self, wd: Wd, parent: Parent) -> bool {
        let mut open = vec![parent];
        while let Some(parent) = open.pop() {
            let Parent::Dir(at) = parent else { continue };
            if at == wd {
                return true;
            }
            open.extend(self.nodes.get(&at).map(|node| node.place.parent));
            open.extend(self.more.get(&at).into_iter().flatten().map(|place| place.parent));
        }
        false
    }

    /// True when it was the last place.
    fn drop_place(&mut self, wd: Wd, place: &Place) -> bool {
        if let Some(more) = self.more.get_mut(&wd) {
            let node = self.nodes.get_mut(&wd).expect("only nodes have further places");
            match more.iter().position(|other| other == place) {
                Some(at) => drop(more.swap_remove(at)),
                None => node.place = more.pop().expect("empty lists are removed below"),
            }
            if more.is_empty() {
                self.more.remove(&wd);
            }
            return false;
        }
        let node = self.nodes.remove(&wd).expect("every child is a node");
        let count = self.counts.get_mut(&node.root).expect("a root with a node has a count");
        *count -= 1;
        true
    }

    fn take_children(&mut self, wd: Wd) -> Vec<(Place, Wd)> {
        let names: Vec<Name> = self.names_in(wd).map(Name::from).collect();
        let take = |name| {
            let place = Place { parent: Parent::Dir(wd), name };
            let child = self.children.remove(&place).expect("listed just now");
            (place, child)
        };
        names.into_iter().map(take).collect()
    }
}

fn join(names: &[Name]) -> Option<RelPath> {
    let parts: Vec<&[u8]> = names.iter().rev().map(|name| &**name).collect();
    RelPath::parse(&parts.join(&b'/')).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: Parent = Parent::Root(RootKey(0));

    fn dir(wd: i32) -> Parent {
        Parent::Dir(Wd(wd))
    }

    /// root(1) / a(2) / b(3), root / c(4)
    fn sample() -> Tree {
        let mut tree = Tree::default();
        for (parent, name, wd) in [(ROOT, "", 1), (dir(1), "a", 2), (dir(2), "b", 3), (dir(1), "c", 4)] {
            assert!(matches!(tree.attach(parent, name.as_bytes(), Wd(wd)), Attached::New { .. }));
        }
        tree
    }

    fn paths(tree: &Tree, wd: i32) -> Vec<String> {
        let mut out: Vec<_> =
            tree.paths(Wd(wd)).unwrap().iter().map(|(_, p)| String::from_utf8_lossy(p.as_bytes()).into()).collect();
        out.sort();
        out
    }

    #[test]
    fn paths_are_found_by_climbing() {
        let tree = sample();
        assert_eq!(paths(&tree, 1), [""]);
        assert_eq!(paths(&tree, 3), ["a/b"]);
        assert_eq!(tree.watched(RootKey(0)), 4);
        let found = tree.parent_of(RootKey(0), &RelPath::parse(b"a/b/new").unwrap()).unwrap();
        assert_eq!((found.0, &*found.1), (dir(3), &b"new"[..]));
    }

    #[test]
    fn detaching_gives_the_whole_subtree() {
        let mut tree = sample();
        let mut gone = tree.detach(dir(1), b"a");
        gone.sort();
        assert_eq!(gone, [Wd(2), Wd(3)]);
        assert_eq!((tree.len(), tree.watched(RootKey(0)), tree.child(dir(2), b"b")), (2, 2, None));
    }

    #[test]
    fn a_directory_seen_at_its_new_place_first_keeps_its_watch_when_the_old_place_goes() {
        let mut tree = sample();
        assert_eq!(tree.attach(dir(4), b"moved", Wd(2)), Attached::Alias { gone: vec![] });
        assert_eq!(paths(&tree, 3), ["a/b", "c/moved/b"]);
        assert_eq!(tree.detach(dir(1), b"a"), []);
        assert_eq!(paths(&tree, 3), ["c/moved/b"]);
    }

    #[test]
    fn a_directory_cannot_stand_within_itself() {
        let mut tree = sample();
        assert_eq!(tree.attach(dir(3), b"up", Wd(1)), Attached::Loop);
        assert_eq!(tree.attach(dir(3), b"self", Wd(3)), Attached::Loop);
        assert_eq!(tree.attach(dir(99), b"x", Wd(5)), Attached::NoParent);
    }

    #[test]
    fn a_replaced_directory_leaves_with_its_subtree() {
        let mut tree = sample();
        let Attached::New { mut gone } = tree.attach(dir(1), b"a", Wd(9)) else { panic!("not new") };
        gone.sort();
        assert_eq!(gone, [Wd(2), Wd(3)]);
        // the child of the replaced directory took its place
        let mut tree = sample();
        assert_eq!(tree.attach(dir(1), b"a", Wd(3)), Attached::New { gone: vec![Wd(2)] });
        assert_eq!(paths(&tree, 3), ["a"]);
    }

    #[test]
    fn forgetting_takes_all_places() {
        let mut tree = sample();
        tree.attach(dir(4), b"moved", Wd(2));
        let gone = tree.forget(Wd(2));
        assert_eq!(gone, [Wd(2), Wd(3)]);
        assert_eq!(tree.len(), 2);
    }

    #[test]
    fn a_directory_with_too_many_paths_has_none() {
        let mut tree = sample();
        for n in 0..Tree::MAX_PATHS {
            tree.attach(dir(1), n.to_string().as_bytes(), Wd(4));
        }
        assert_eq!(tree.paths(Wd(4)), None);
    }
}
