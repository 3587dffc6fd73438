//! Backups that somebody asked for and that no run serves yet.

use std::collections::BTreeSet;
use std::time::Duration;

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
    /// Not in the queue yet.
    looking: Vec<Looking>,
}

/// Asked roots that were away may be back: they are looked for first.
#[derive(Debug)]
struct Looking {
    request: Request,
    away: BTreeSet<RootId>,
    /// Looking may take for ever, a request must not.
    until: Duration,
}

impl Request {
    pub(super) fn answer(self, answer: BackupAnswer) -> Option<Effect> {
        self.wait.map(|wait| Effect::Answer { wait, answer })
    }
}

impl Requests {
    /// The request comes back when there is no room.
    pub(super) fn push(&mut self, request: Request) -> Result<(), Request> {
        if self.is_full() {
            return Err(request);
        }
        self.queue.push(request);
        Ok(())
    }

    /// Keeps the request until `away` have been looked for. The request comes back when there is no room.
    pub(super) fn look(&mut self, request: Request, away: BTreeSet<RootId>, until: Duration) -> Result<(), Request> {
        if self.is_full() {
            return Err(request);
        }
        self.looking.push(Looking { request, away, until });
        Ok(())
    }

    pub(super) fn is_looking_for(&self, root: &RootId) -> bool {
        self.looking.iter().any(|looking| looking.away.contains(root))
    }

    /// It is known now whether this root is there.
    pub(super) fn looked(&mut self, root: &RootId) {
        for looking in &mut self.looking {
            looking.away.remove(root);
        }
    }

    /// Those whose roots have all been looked for, or for long enough.
    pub(super) fn take_looked(&mut self, now: Duration) -> Vec<Request> {
        let over = self.looking.extract_if(.., |looking| looking.away.is_empty() || looking.until <= now);
        over.map(|looking| looking.request).collect()
    }

    /// When a look has taken long enough.
    pub(super) fn look_ends(&self) -> Option<Duration> {
        self.looking.iter().map(|looking| looking.until).min()
    }

    fn is_full(&self) -> bool {
        self.queue.len() + self.looking.len() >= MAX_WAITING
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

    /// Those that a run can serve.
    pub(super) fn take(&mut self) -> Vec<Request> {
        std::mem::take(&mut self.queue)
    }

    pub(super) fn take_all(&mut self) -> Vec<Request> {
        let looking = std::mem::take(&mut self.looking);
        self.take().into_iter().chain(looking.into_iter().map(|looking| looking.request)).collect()
    }
}
