//! The client's side, blocking: one question at a time, or a stream of states.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::ops::ControlFlow;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::protocol::{Answer, Event, Hello, PROTOCOL};
use super::{ControlError, Endpoint, ErrorCode, WireError, Wish, delta};
use crate::status::{BackupAnswer, Status, Usage};

/// A running agent answers at once; what takes time is waited for without a limit.
const PATIENCE: Duration = Duration::from_secs(10);
/// Of what the agent sends: a state with very many roots is longer than a request may be.
const MAX_LINE: u64 = 64 << 20;

pub struct Client {
    stream: BufReader<UnixStream>,
    version: String,
    next_id: u64,
    has_hung_up: Arc<AtomicBool>,
}

/// Ends from another thread whatever the client waits for: it gets [`ControlError::Interrupted`], then and ever after.
pub struct HangUp {
    stream: UnixStream,
    has_hung_up: Arc<AtomicBool>,
}

impl HangUp {
    pub fn hang_up(&self) {
        self.has_hung_up.store(true, Ordering::SeqCst);
        // one that the agent has closed needs no end
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

impl Client {
    pub fn connect(endpoint: &Endpoint) -> Result<Self, ControlError> {
        let socket = endpoint.socket();
        let stream = UnixStream::connect(&socket).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => ControlError::NotRunning { socket },
            io::ErrorKind::PermissionDenied => ControlError::NotPermitted { socket },
            io::ErrorKind::InvalidInput => ControlError::PathTooLong { socket },
            _ => ControlError::Io { doing: "connect to", path: socket, source },
        })?;
        let mut client =
            Self { stream: BufReader::new(stream), version: String::new(), next_id: 0, has_hung_up: Arc::default() };
        client.patience(Some(PATIENCE))?;
        let first = client.read()?;
        if let Some(error) = first.get("error") {
            return Err(ControlError::Refused(parsed(error.clone())?));
        }
        let Hello { rozen: hello } = parsed(first)?;
        if hello.protocol != PROTOCOL {
            return Err(ControlError::Protocol { found: hello.protocol, known: PROTOCOL });
        }
        client.version = hello.version;
        Ok(client)
    }

    /// Of the agent.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// What is waited for without a limit should have it.
    pub fn hang_up(&self) -> Result<HangUp, ControlError> {
        let stream = self.stream.get_ref().try_clone().map_err(gone)?;
        Ok(HangUp { stream, has_hung_up: self.has_hung_up.clone() })
    }

    pub fn status(&mut self) -> Result<Status, ControlError> {
        parsed(self.call("status", json!({}))?)
    }

    /// What the target bills for, as the agent has counted it.
    pub fn usage(&mut self) -> Result<Usage, ControlError> {
        parsed(self.call("usage", json!({}))?)
    }

    /// Asks for a backup and does not wait for it. An answer is why there will be none.
    pub fn backup(&mut self, wish: &Wish) -> Result<Option<BackupAnswer>, ControlError> {
        let answer = self.call("backup", params(wish, false))?;
        if answer["accepted"] == true { Ok(None) } else { parsed(answer).map(Some) }
    }

    /// The same, and waits as long as it takes.
    pub fn backup_and_wait(&mut self, wish: &Wish) -> Result<BackupAnswer, ControlError> {
        self.patience(None)?;
        let answer = self.call("backup", params(wish, true));
        self.patience(Some(PATIENCE))?;
        parsed(answer?)
    }

    pub fn pause(&mut self, length: Option<Duration>) -> Result<(), ControlError> {
        self.call("pause", json!({ "seconds": length.map(|length| length.as_secs()) })).map(drop)
    }

    pub fn resume(&mut self) -> Result<(), ControlError> {
        self.call("resume", json!({})).map(drop)
    }

    /// Shows the state now and after every change, until told to stop or the agent goes ([`ControlError::Gone`]).
    pub fn watch(mut self, mut show: impl FnMut(&Status) -> ControlFlow<()>) -> Result<(), ControlError> {
        let mut state = self.call("watch", json!({}))?;
        self.patience(None)?;
        while show(&parsed(state.clone())?).is_continue() {
            self.next_state(&mut state)?;
        }
        Ok(())
    }

    fn next_state(&mut self, state: &mut Value) -> Result<(), ControlError> {
        loop {
            match parsed(self.read()?)? {
                Event::Delta { changed } => {
                    delta::apply(state, changed);
                    return Ok(());
                }
                Event::State { status } => {
                    *state = status;
                    return Ok(());
                }
                Event::Other => {}
            }
        }
    }

    fn call(&mut self, method: &str, params: Value) -> Result<Value, ControlError> {
        self.next_id += 1;
        let line = format!("{}\n", json!({ "id": self.next_id, "method": method, "params": params }));
        let sent = self.stream.get_mut().write_all(line.as_bytes());
        sent.map_err(|error| self.interrupted().unwrap_or_else(|| gone(error)))?;
        loop {
            let answer: Answer = parsed(self.read()?)?;
            if let Some(error) = answer.error {
                return Err(refused(error));
            }
            if answer.id == Some(self.next_id) {
                return Ok(answer.result);
            }
        }
    }

    fn read(&mut self) -> Result<Value, ControlError> {
        let mut line = Vec::new();
        let read = (&mut self.stream).take(MAX_LINE).read_until(b'\n', &mut line);
        if let Some(interrupted) = self.interrupted() {
            return Err(interrupted);
        }
        read.map_err(gone)?;
        match line.last() {
            Some(b'\n') => parsed_line(&line),
            _ if line.len() as u64 == MAX_LINE => Err(ControlError::Garbled { reason: "a line without end".into() }),
            _ => Err(ControlError::Gone),
        }
    }

    fn interrupted(&self) -> Option<ControlError> {
        self.has_hung_up.load(Ordering::SeqCst).then_some(ControlError::Interrupted)
    }

    fn patience(&self, limit: Option<Duration>) -> Result<(), ControlError> {
        self.stream.get_ref().set_read_timeout(limit).map_err(gone)
    }
}

fn params(wish: &Wish, wait: bool) -> Value {
    let mut params = json!({ "roots": wish.roots, "full": wish.full, "wait": wait });
    // an older agent does not know it
    if !wish.accept.is_empty() {
        params["accept"] = json!(wish.accept);
    }
    params
}

fn refused(error: WireError) -> ControlError {
    match error.code {
        ErrorCode::Stopping => ControlError::Gone,
        _ => ControlError::Refused(error),
    }
}

fn gone(error: io::Error) -> ControlError {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            ControlError::Garbled { reason: format!("no answer within {} s", PATIENCE.as_secs()) }
        }
        _ => ControlError::Gone,
    }
}

fn parsed_line(line: &[u8]) -> Result<Value, ControlError> {
    serde_json::from_slice(line).map_err(|e| ControlError::Garbled { reason: e.to_string() })
}

fn parsed<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, ControlError> {
    serde_json::from_value(value).map_err(|e| ControlError::Garbled { reason: e.to_string() })
}
