//! The agent's side: a thread with a small runtime that accepts connections and keeps the newest status.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, broadcast, oneshot, watch};

use super::connection::{self, Peer};
use super::endpoint::Claim;
use super::protocol::{self, ErrorCode, WireError};
use super::{ControlError, Endpoint};
use crate::model::RootId;
use crate::status::{BackupAnswer, Status, Usage};

const MAX_CONNECTIONS: usize = 64;
/// Of other users, so that they cannot keep the owner out.
const MAX_FOREIGN: usize = 8;
/// States that a client may lag behind before it gets a fresh one.
const QUEUE: usize = 256;

/// What clients want of the agent. Whoever asks may operate: that was checked.
#[derive(Debug)]
pub enum Ask {
    /// `reply` when somebody waits.
    Backup {
        wish: Wish,
        reply: Option<Reply>,
    },
    Pause {
        length: Option<Duration>,
    },
    Resume,
    /// What the target bills for. An error is for people.
    Usage {
        reply: Reply<Result<Usage, String>>,
    },
}

/// Which backup somebody asks for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Wish {
    /// None = all, or those to accept.
    pub roots: Vec<RootId>,
    /// Compare everything.
    pub full: bool,
    /// Roots that a person says are meant to be as they are now.
    pub accept: Vec<RootId>,
}

/// The way back to who waits; dropped without a word it tells them that the agent is stopping.
#[derive(Debug)]
pub struct Reply<T = BackupAnswer>(pub(super) oneshot::Sender<T>);

/// Serves until dropped or stopped.
pub struct Server {
    publisher: Publisher,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Tells all who watch of a new status. Never blocks.
#[derive(Clone)]
pub struct Publisher {
    latest: Arc<watch::Sender<Arc<Value>>>,
    states: broadcast::Sender<Arc<Value>>,
}

/// What all connections share.
pub(super) struct Shared {
    pub(super) version: String,
    pub(super) publisher: Publisher,
    pub(super) ask: Box<dyn Fn(Ask) -> bool + Send + Sync>,
}

impl<T> Reply<T> {
    /// Who waited may have left: then it goes nowhere.
    pub fn send(self, answer: T) {
        let _ = self.0.send(answer);
    }
}

impl Publisher {
    pub fn publish(&self, status: &Status) {
        let state = Arc::new(to_value(status));
        self.latest.send_replace(state.clone());
        // nobody listening is no error
        let _ = self.states.send(state);
    }

    pub(super) fn latest(&self) -> Arc<Value> {
        self.latest.borrow().clone()
    }

    pub(super) fn subscribe(&self) -> broadcast::Receiver<Arc<Value>> {
        self.states.subscribe()
    }
}

fn to_value(status: &Status) -> Value {
    serde_json::to_value(status).expect("a status has string keys and finite numbers")
}

impl Server {
    /// `ask` hands a wish to the agent without blocking; `false` = the agent is stopping.
    pub fn start(
        endpoint: &Endpoint,
        first: &Status,
        ask: impl Fn(Ask) -> bool + Send + Sync + 'static,
    ) -> Result<Self, ControlError> {
        let claim = endpoint.claim()?;
        let publisher = Publisher {
            latest: Arc::new(watch::Sender::new(Arc::new(to_value(first)))),
            states: broadcast::Sender::new(QUEUE),
        };
        let shared = Shared { version: first.version.clone(), publisher: publisher.clone(), ask: Box::new(ask) };
        let failed = |source| ControlError::Io { doing: "serve at", path: endpoint.socket(), source };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("control".into())
            .spawn(move || runtime.block_on(serve(claim, Arc::new(shared), stopped)))
            .map_err(failed)?;
        Ok(Self { publisher, stop: Some(stop), thread: Some(thread) })
    }

    pub fn publisher(&self) -> Publisher {
        self.publisher.clone()
    }

    /// Closes all connections and removes the socket.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of the control socket has panicked");
        }
    }
}

async fn serve(claim: Claim, shared: Arc<Shared>, mut stopped: oneshot::Receiver<()>) {
    let listener = match claim.listener.try_clone().and_then(UnixListener::from_std) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "the control socket cannot be served"),
    };
    let (all, foreign) = (Arc::new(Semaphore::new(MAX_CONNECTIONS)), Arc::new(Semaphore::new(MAX_FOREIGN)));
    loop {
        let accepted = tokio::select! {
            _ = &mut stopped => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => welcome(stream, &shared, &all, &foreign),
            Err(error) => {
                // out of descriptors, most likely: others must close first
                tracing::warn!(%error, "the control socket cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

fn welcome(stream: UnixStream, shared: &Arc<Shared>, all: &Arc<Semaphore>, foreign: &Arc<Semaphore>) {
    let Ok(credentials) = stream.peer_cred() else { return };
    let peer = Peer::of(credentials.uid());
    let pools: &[&Arc<Semaphore>] = match peer {
        Peer::Operator => &[all],
        Peer::Foreign => &[all, foreign],
    };
    let permits: Result<Vec<_>, _> = pools.iter().map(|pool| (*pool).clone().try_acquire_owned()).collect();
    match permits {
        Ok(permits) => drop(tokio::spawn(connection::serve(stream, peer, shared.clone(), permits))),
        Err(_) => drop(tokio::spawn(turn_away(stream))),
    }
}

async fn turn_away(mut stream: UnixStream) {
    let error = WireError::new(ErrorCode::Busy, "too many connections", "close some, or try again later");
    let line = format!("{}\n", protocol::error(None, &error));
    // fits into the buffer of the socket; who does not want it has left
    let _ = tokio::time::timeout(Duration::from_secs(1), stream.write_all(line.as_bytes())).await;
}
