//! What a batch is read from. Where the target is far, what its files need is read together, before the first of them.

use std::sync::Arc;

use super::batch::Item;
use super::bundles::Opened;
use super::context::Context;
use super::existing::{Decision, decide};
use crate::model::{ChunkId, Content, EntryKind};
use crate::repo::{Ahead, ContentError};

pub(super) struct Reading<'a> {
    pub ahead: Ahead<'a>,
    /// Opened for this batch; at most [`super::batch::MAX_BUNDLES`].
    bundles: Vec<(ChunkId, Opened)>,
}

impl<'a> Reading<'a> {
    /// Of single files.
    pub fn plain(context: &Context<'a>) -> Self {
        Self { ahead: context.contents.ahead([]), bundles: vec![] }
    }

    /// Reads the bundles of these files that nobody else reads; the chunks of larger files when the first is wanted.
    pub fn of(context: &Context<'a>, items: &[Item]) -> Self {
        if !context.contents.is_far() {
            return Self::plain(context);
        }
        let (bundles, chunks) = wanted(context, items);
        let claims: Vec<_> = bundles.iter().filter_map(|id| context.bundles.claim(id)).collect();
        let ids: Vec<_> = claims.iter().map(|claim| claim.id).chain(chunks).collect();
        let mut ahead = context.contents.ahead(ids);
        // all of them, before anything of another worker is waited for
        let bundles = claims.into_iter().map(|claim| (claim.id, claim.settle(&mut ahead))).collect();
        Self { ahead, bundles }
    }

    pub fn bundle(&mut self, context: &Context<'a>, id: &ChunkId) -> Result<Arc<Vec<u8>>, ContentError> {
        let opened = match self.bundles.iter().find(|(known, _)| known == id) {
            Some((_, opened)) => opened.clone(),
            None => context.bundles.open(&mut self.ahead, id),
        };
        opened.map_err(ContentError::Chunk)
    }
}

/// Bundles and chunks of the files that are not there yet: a restore that goes on does not read again what it has.
fn wanted(context: &Context<'_>, items: &[Item]) -> (Vec<ChunkId>, Vec<ChunkId>) {
    let (mut bundles, mut chunks) = (Vec::new(), Vec::new());
    for item in items.iter().filter(|item| is_wanted(context, item)) {
        match &item.entry.content {
            Some(Content::Bundled { bundle, .. }) if !bundles.contains(bundle) => bundles.push(*bundle),
            Some(Content::Chunked { chunks: of_file, .. }) => chunks.extend(of_file.iter().map(|chunk| chunk.id)),
            _ => {}
        }
    }
    (bundles, chunks)
}

fn is_wanted(context: &Context<'_>, item: &Item) -> bool {
    item.entry.kind == EntryKind::File
        && match item.dir.stat(&item.name) {
            Ok(Some(found)) => {
                matches!(decide(context.options.overwrite, &found, &item.entry), Decision::Redo | Decision::Replace)
            }
            // what is wrong with the destination is told when the file is made
            Ok(None) | Err(_) => true,
        }
}
