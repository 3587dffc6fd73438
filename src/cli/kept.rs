//! Folders that a snapshot holds as they were, because its configuration did not name them any more: nobody backs them up.
//!
//! Whether a folder of the snapshot was old for another reason (a disk that was away, nothing that changed) its recovery point does not
//! tell apart. The configuration that the snapshot was made with does; where that cannot be read nothing is said.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use super::context::Context;
use super::show;
use crate::config::Config;
use crate::format::{Manifest, ManifestRoot};
use crate::model::ObjectHash;
use crate::repo::{Machine, Repository};
use crate::status::printable;

/// Configurations that were read so far, by the names of their folders; `None`: unreadable.
#[derive(Default)]
pub(super) struct Kept(HashMap<ObjectHash, Option<BTreeSet<String>>>);

impl Kept {
    /// Is it in the snapshot without being backed up? `None`: not known. Asks the target once for each configuration, and not at all
    /// where there is one folder.
    pub(super) fn is_kept(
        &mut self,
        repository: &Repository,
        machine: &Machine,
        manifest: &Manifest,
        root: &ManifestRoot,
    ) -> Option<bool> {
        if manifest.body.roots.len() == 1 {
            return Some(false);
        }
        let hash = manifest.body.config?;
        let named = self.0.entry(hash).or_insert_with(|| named(repository, machine, &hash));
        named.as_ref().map(|named| !named.contains(&root.id))
    }
}

fn named(repository: &Repository, machine: &Machine, hash: &ObjectHash) -> Option<BTreeSet<String>> {
    let stored = repository.config(machine, hash).ok()?;
    let config = Config::parse(&stored.text, Path::new("the stored configuration")).ok()?;
    Some(config.roots.iter().map(|root| root.id.to_string()).collect())
}

/// `b: not backed up since …`
pub(super) fn line(root: &ManifestRoot) -> String {
    let since = match root.recovery_point {
        Some(time) => format!("since {}", show::local_time(time)),
        None => "any more".to_owned(),
    };
    format!("{}: not backed up {since}, it is kept as it was: the configuration does not name it", printable(&root.id))
}

/// Beside whatever is told of this snapshot. One of which nothing was ever stored is left out.
pub(super) fn tell(repository: &Repository, machine: &Machine, manifest: &mut Manifest, context: &Context) {
    let mut kept = Kept::default();
    let roots = manifest.body.roots.iter();
    let mut is_kept = |root: &ManifestRoot| kept.is_kept(repository, machine, manifest, root) == Some(true);
    let old: BTreeSet<String> = roots.filter(|root| is_kept(root)).map(|root| root.id.clone()).collect();
    leave_out_empty(&mut manifest.body.roots, &old);
    let told = manifest.body.roots.iter().filter(|root| old.contains(&root.id));
    told.for_each(|root| context.output.note(line(root)));
}

/// Snapshots of earlier versions list every folder that was ever named, a misspelt one too: of those that nobody names any more there is
/// nothing to tell, and nothing to restore.
fn leave_out_empty(roots: &mut Vec<ManifestRoot>, old: &BTreeSet<String>) {
    let is_empty = |root: &ManifestRoot| root.tree.is_none() && old.contains(&root.id);
    if !roots.iter().all(is_empty) {
        roots.retain(|root| !is_empty(root));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ChunkId;
    use crate::repo::testing::manifest_of;

    #[test]
    fn a_folder_of_which_nothing_was_ever_stored_and_that_nobody_names_is_left_out() {
        let mut roots = manifest_of(&[("home", "/home"), ("away", "/a"), ("old", "/o"), ("typo", "/t")]).body.roots;
        roots[0].tree = Some(ChunkId([1; 32]));
        roots[2].tree = Some(ChunkId([1; 32]));
        let old = BTreeSet::from(["old".to_owned(), "typo".to_owned()]);
        leave_out_empty(&mut roots, &old);
        assert_eq!(roots.iter().map(|root| root.id.as_str()).collect::<Vec<_>>(), ["home", "away", "old"]);
        let mut nothing = manifest_of(&[("typo", "/t")]).body.roots;
        leave_out_empty(&mut nothing, &old);
        assert_eq!(nothing.len(), 1);
    }
}
