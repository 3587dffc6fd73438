//! Where a scan begins.

use std::collections::BTreeMap;

use crate::model::RelPath;

/// A directory to compare.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Target {
    pub dir: RelPath,
    /// With everything below it; else the directory alone and what is new in it.
    pub recursive: bool,
}

impl Target {
    pub fn everything() -> Vec<Target> {
        vec![Target { dir: RelPath::root(), recursive: true }]
    }
}

/// Do they cover the whole root?
pub(super) fn are_whole(targets: &[Target]) -> bool {
    targets.iter().any(|target| target.recursive && target.dir.is_root())
}

/// Each directory once, none below a recursive one, ascending.
pub(super) fn merge(targets: Vec<Target>) -> Vec<Target> {
    let mut by_dir: BTreeMap<RelPath, bool> = BTreeMap::new();
    for target in targets {
        *by_dir.entry(target.dir).or_default() |= target.recursive;
    }
    let covered = |dir: &RelPath| {
        std::iter::successors(dir.parent(), RelPath::parent).any(|above| by_dir.get(&above) == Some(&true))
    };
    let kept = by_dir.iter().filter(|(dir, _)| !covered(dir));
    kept.map(|(dir, recursive)| Target { dir: dir.clone(), recursive: *recursive }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recursive_target_absorbs_those_below_it() {
        let target = |dir: &str, recursive| Target { dir: RelPath::parse(dir.as_bytes()).unwrap(), recursive };
        let merged = merge(vec![
            target("a/b", false),
            target("a", true),
            target("ab", false),
            target("ab", true),
            target("c", false),
        ]);
        assert_eq!(merged, [target("a", true), target("ab", true), target("c", false)]);
    }
}
