//! Keys of packs: the header of a pack is read once, by whoever wants a frame of it first.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::contents::Contents;
use super::{RepoError, names};
use crate::format::{FormatError, PackLayout};
use crate::model::{ObjectHash, PackKey};
use crate::seal::FrameOpener;

/// Openers of the packs that were used so far: a few hundred bytes each.
#[derive(Default)]
pub(super) struct Openers(Mutex<HashMap<ObjectHash, Arc<Slot>>>);

/// Locked while the header is being read, so that nobody else reads it as well.
type Slot = Mutex<Option<Arc<FrameOpener>>>;

impl Openers {
    /// Is nobody known to have read the header, or to be reading it?
    fn is_missing(&self, pack: &ObjectHash) -> bool {
        self.slot(pack).try_lock().is_ok_and(|slot| slot.is_none())
    }

    fn find_or<E>(
        &self,
        pack: &ObjectHash,
        make: impl FnOnce() -> Result<FrameOpener, E>,
    ) -> Result<Arc<FrameOpener>, E> {
        let slot = self.slot(pack);
        let mut slot = slot.lock().expect("no panic while it is held");
        match &*slot {
            Some(opener) => Ok(opener.clone()),
            None => Ok(slot.insert(Arc::new(make()?)).clone()),
        }
    }

    fn slot(&self, pack: &ObjectHash) -> Arc<Slot> {
        self.0.lock().expect("no panic while it is held").entry(*pack).or_default().clone()
    }
}

impl Contents {
    pub(super) fn opener(&self, pack: &PackKey) -> Result<Arc<FrameOpener>, RepoError> {
        self.openers.find_or(&pack.hash, || self.opener_of(pack, &self.layout(pack)?))
    }

    pub(super) fn wants_header(&self, pack: &PackKey) -> bool {
        self.openers.is_missing(&pack.hash)
    }

    /// `bytes` are the beginning of the pack. What is wrong with them is told to whoever wants a frame of it.
    pub(super) fn learn_header(&self, pack: &PackKey, bytes: &[u8]) {
        if let Ok(layout) = PackLayout::decode(pack.is_tree, &self.keys.repo_id, bytes) {
            let _ = self.openers.find_or(&pack.hash, || self.opener_of(pack, &layout));
        }
    }

    fn opener_of(&self, pack: &PackKey, layout: &PackLayout) -> Result<FrameOpener, RepoError> {
        let (mut keys, mut refused) = (Vec::new(), None);
        for slot in &layout.slots {
            match slot.open(&self.keys) {
                Ok(opened) => keys.push((opened.slot_id, opened.body)),
                Err(error) => refused = Some(error),
            }
        }
        match refused {
            Some(source) if keys.is_empty() => {
                Err(RepoError::PackKey { pack: names::pack(&pack.machine, pack.is_tree, &pack.hash), source })
            }
            _ => Ok(FrameOpener::new(&self.keys, keys)),
        }
    }

    pub(super) fn layout(&self, pack: &PackKey) -> Result<PackLayout, RepoError> {
        let name = names::pack(&pack.machine, pack.is_tree, &pack.hash);
        let object = |source| RepoError::Object { name: name.clone(), source };
        let head = self.store.get_range(&name, 0, PackLayout::USUAL_LEN as u64)?;
        match PackLayout::decode(pack.is_tree, &self.keys.repo_id, &head) {
            Err(FormatError::Truncated { needed, .. }) => {
                let head = self.store.get_range(&name, 0, needed)?;
                PackLayout::decode(pack.is_tree, &self.keys.repo_id, &head).map_err(object)
            }
            other => other.map_err(object),
        }
    }
}
