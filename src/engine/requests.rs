//! Backups that somebody asked for and that no run serves yet.

use super::{Effect, WaitId};
use crate::model::RootId;
use crate::status::BackupAnswer;

/// More than people and scripts ever ask at once; the rest is told so.
const MAX_WAITING: usize = 1000;

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Request {
    pub(super) roots: Vec<RootId>,
    pub(super) full: bool,
    pub(super) wait: Option<WaitId>,
}

#[derive(Default, Debug)]
pub(super) struct Requests {
    queue: Vec<Request>,
}

impl Request {
    pub(super) fn answer(self, answer: BackupAnswer) -> Option<Effect> {
        self.wait.map(|wait| Effect::Answer { wait, answer })
    }
}

impl Requests {
    /// The request comes back when there is no room.
    pub(super) fn push(&mut self, request: Request) -> Result<(), Request> {
        if self.queue.len() >= MAX_WAITING {
            return Err(request);
        }
        self.queue.push(request);
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// `Some(full)` when one of them wants this root.
    pub(super) fn wants(&self, root: &RootId) -> Option<bool> {
        let mut wanting = self.queue.iter().filter(|request| request.roots.contains(root)).peekable();
        wanting.peek()?;
        Some(wanting.any(|request| request.full))
    }

    pub(super) fn take(&mut self) -> Vec<Request> {
        std::mem::take(&mut self.queue)
    }
}
