//! One connection: a reader that takes requests, a writer that sends answers and, when asked, every change.
//!
//! A client that does not read holds up its own writer alone: answers wait in a bounded queue, then its requests are
//! read no more; states pass it by and it gets the newest one when it reads again.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::timeout;

use super::delta;
use super::lines::{Line, next_line};
use super::protocol::{self, Backup, ErrorCode, MAX_LINE, Method, PROTOCOL, Request, WireError};
use super::server::{Ask, Reply, Shared};
use crate::model::RootId;
use crate::status::{BackupAnswer, Usage};

/// Answers that wait for the client to read.
const OUTGOING: usize = 256;
/// Answers that one connection may wait for.
const MAX_WAITING: usize = 32;
/// A client that takes nothing for so long has hung.
const WRITE_PATIENCE: Duration = Duration::from_secs(60);
/// Other users have no business of staying.
const FOREIGN_PATIENCE: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Peer {
    /// The user of the agent, or root.
    Operator,
    Foreign,
}

impl Peer {
    pub(super) fn of(uid: u32) -> Self {
        let own = rustix::process::geteuid().as_raw();
        if uid == 0 || uid == own { Self::Operator } else { Self::Foreign }
    }

    fn patience(self) -> Duration {
        match self {
            Self::Operator => Duration::MAX,
            Self::Foreign => FOREIGN_PATIENCE,
        }
    }
}

enum Outgoing {
    Line(Value),
    /// Send the state as the answer to this request, then every change.
    Watch(u64),
}

/// `_permits` count the connection while it lives.
pub(super) async fn serve(stream: UnixStream, peer: Peer, shared: Arc<Shared>, _permits: Vec<OwnedSemaphorePermit>) {
    let (read, write) = stream.into_split();
    let (outgoing, queue) = mpsc::channel(OUTGOING);
    let hello = json!({ "rozen": { "version": shared.version, "protocol": PROTOCOL } });
    let writer = Writer { write, shared: shared.clone(), feed: None };
    let reader = Reader { peer, shared, outgoing, waiting: Arc::new(Semaphore::new(MAX_WAITING)) };
    let writing = writer.run(hello, queue);
    // the writer ends when all answers are sent, or when the client has gone: then nobody reads either
    tokio::pin!(writing);
    tokio::select! {
        _ = &mut writing => {}
        _ = reader.run(read) => { writing.await }
    }
}

struct Reader {
    peer: Peer,
    shared: Arc<Shared>,
    outgoing: mpsc::Sender<Outgoing>,
    waiting: Arc<Semaphore>,
}

impl Reader {
    async fn run(self, read: OwnedReadHalf) {
        let mut read = BufReader::new(read);
        loop {
            let line = match timeout(self.peer.patience(), next_line(&mut read, MAX_LINE)).await {
                Ok(Ok(Line::Whole(line))) => line,
                Ok(Ok(Line::TooLong)) => {
                    let message = format!("a line must not be longer than {MAX_LINE} bytes");
                    let error = WireError::new(ErrorCode::LineTooLong, message, "send one JSON object per line");
                    let _ = self.send(protocol::error(None, &error)).await;
                    return;
                }
                Ok(Ok(Line::End) | Err(_)) | Err(_) => return,
            };
            if self.take(&line).await.is_err() {
                return;
            }
        }
    }

    /// `Err`: the writer has gone.
    async fn take(&self, line: &[u8]) -> Result<(), ()> {
        let request = match protocol::parse(line) {
            Ok(request) => request,
            Err(refusal) => return self.send(protocol::error(refusal.id, &refusal.error)).await,
        };
        if self.peer == Peer::Foreign && !request.method.is_public() {
            let hint = "use the user that runs the agent, or root";
            let error = WireError::new(ErrorCode::NotPermitted, "other users may only ask for the version", hint);
            return self.send(protocol::error(Some(request.id), &error)).await;
        }
        self.answer(request).await
    }

    async fn answer(&self, Request { id, method }: Request) -> Result<(), ()> {
        match method {
            Method::Version => {
                let version = json!({ "version": self.shared.version, "protocol": PROTOCOL });
                self.send(protocol::result(id, version)).await
            }
            Method::Status => {
                let state = self.shared.publisher.latest();
                self.send(protocol::result(id, (*state).clone())).await
            }
            Method::Watch => self.outgoing.send(Outgoing::Watch(id)).await.map_err(drop),
            Method::Pause(pause) => self.order(id, Ask::Pause { length: pause.seconds.map(Duration::from_secs) }).await,
            Method::Resume => self.order(id, Ask::Resume).await,
            Method::Usage => {
                self.ask_and_wait(id, |reply| Ask::Usage { reply }, move |usage| usage_line(id, usage)).await
            }
            Method::Backup(backup) if backup.wait => {
                let ask = |reply| Ask::Backup { wish: backup.into_wish(), reply: Some(reply) };
                self.ask_and_wait(id, ask, move |answer| protocol::result(id, json!(answer))).await
            }
            Method::Backup(backup) => match self.unknown_root(&backup) {
                Some(root) => self.send(protocol::result(id, json!(BackupAnswer::UnknownRoot { root }))).await,
                None => self.order(id, Ask::Backup { wish: backup.into_wish(), reply: None }).await,
            },
        }
    }

    /// The agent drops such a wish, which only who waits would hear. It has the same roots for as long as it runs.
    fn unknown_root(&self, backup: &Backup) -> Option<RootId> {
        let state = self.shared.publisher.latest();
        let roots = state["roots"].as_array().into_iter().flatten();
        let known: Vec<&str> = roots.filter_map(|root| root["id"].as_str()).collect();
        backup.roots.iter().chain(&backup.accept).find(|id| !known.contains(&id.as_str())).cloned()
    }

    async fn order(&self, id: u64, ask: Ask) -> Result<(), ()> {
        let line = match (self.shared.ask)(ask) {
            true => protocol::result(id, json!({ "accepted": true })),
            false => protocol::error(Some(id), &stopping()),
        };
        self.send(line).await
    }

    /// The answer comes when it comes; other requests are taken meanwhile.
    async fn ask_and_wait<T: Send + 'static>(
        &self,
        id: u64,
        ask: impl FnOnce(Reply<T>) -> Ask,
        line: impl FnOnce(T) -> Value + Send + 'static,
    ) -> Result<(), ()> {
        let Ok(permit) = self.waiting.clone().try_acquire_owned() else {
            let message = format!("more than {MAX_WAITING} answers are waited for on one connection");
            let error = WireError::new(ErrorCode::Busy, message, "wait for some of them first");
            return self.send(protocol::error(Some(id), &error)).await;
        };
        let (reply, answer) = oneshot::channel();
        if !(self.shared.ask)(ask(Reply(reply))) {
            return self.send(protocol::error(Some(id), &stopping())).await;
        }
        let outgoing = self.outgoing.clone();
        tokio::spawn(async move {
            let _permit = permit;
            let line = tokio::select! {
                answer = answer => match answer {
                    Ok(answer) => line(answer),
                    Err(_) => protocol::error(Some(id), &stopping()),
                },
                () = outgoing.closed() => return,
            };
            // the client may have left meanwhile
            let _ = outgoing.send(Outgoing::Line(line)).await;
        });
        Ok(())
    }

    async fn send(&self, line: Value) -> Result<(), ()> {
        self.outgoing.send(Outgoing::Line(line)).await.map_err(drop)
    }
}

fn usage_line(id: u64, usage: Result<Usage, String>) -> Value {
    match usage {
        Ok(usage) => protocol::result(id, json!(usage)),
        Err(message) => {
            let hint = "see what `rozenctl status` and the log of the agent say";
            protocol::error(Some(id), &WireError::new(ErrorCode::Failed, message, hint))
        }
    }
}

fn stopping() -> WireError {
    WireError::new(ErrorCode::Stopping, "the agent is stopping", "start it again")
}

struct Writer {
    write: OwnedWriteHalf,
    shared: Arc<Shared>,
    feed: Option<Feed>,
}

/// The stream of states of a client that watches.
struct Feed {
    states: broadcast::Receiver<Arc<Value>>,
    /// What the client knows.
    last: Arc<Value>,
}

impl Writer {
    /// Ends when nobody can send any more, or the client takes nothing.
    async fn run(mut self, hello: Value, mut queue: mpsc::Receiver<Outgoing>) {
        let mut lines = vec![hello];
        loop {
            for line in lines.drain(..) {
                if self.write(&line).await.is_err() {
                    return;
                }
            }
            tokio::select! {
                outgoing = queue.recv() => match outgoing {
                    Some(Outgoing::Line(line)) => lines.push(line),
                    Some(Outgoing::Watch(id)) => lines.push(self.start_watch(id)),
                    None => return,
                },
                news = next_news(&mut self.feed) => match news {
                    Some(news) => lines = self.tell(news),
                    None => return,
                },
            }
        }
    }

    fn start_watch(&mut self, id: u64) -> Value {
        // subscribe first: a state that comes in between is then sent twice, never missed
        let states = self.shared.publisher.subscribe();
        let last = self.shared.publisher.latest();
        let line = protocol::result(id, (*last).clone());
        self.feed = Some(Feed { states, last });
        line
    }

    fn tell(&mut self, news: News) -> Vec<Value> {
        let Some(feed) = &mut self.feed else { return Vec::new() };
        match news {
            News::State(state) => {
                let changed = delta::changed(&feed.last, &state);
                feed.last = state;
                if changed.is_empty() { vec![] } else { vec![json!({ "event": "delta", "changed": changed })] }
            }
            News::Lagged(dropped) => {
                feed.states = feed.states.resubscribe();
                feed.last = self.shared.publisher.latest();
                vec![
                    json!({ "event": "lagged", "dropped": dropped }),
                    json!({ "event": "state", "status": *feed.last }),
                ]
            }
        }
    }

    async fn write(&mut self, line: &Value) -> Result<(), ()> {
        let bytes = format!("{line}\n").into_bytes();
        match timeout(WRITE_PATIENCE, self.write.write_all(&bytes)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(()),
        }
    }
}

enum News {
    State(Arc<Value>),
    Lagged(u64),
}

/// `None` when the server is gone. Without a feed it waits for ever.
async fn next_news(feed: &mut Option<Feed>) -> Option<News> {
    match feed {
        None => std::future::pending().await,
        Some(feed) => match feed.states.recv().await {
            Ok(state) => Some(News::State(state)),
            Err(RecvError::Lagged(dropped)) => Some(News::Lagged(dropped)),
            Err(RecvError::Closed) => None,
        },
    }
}
