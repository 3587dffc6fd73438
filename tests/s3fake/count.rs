//! What the server has seen.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Counts {
    pub connections: u64,
    /// Connections now. One whose client died is open until the server has read what it sent.
    pub open: u64,
    /// By operation, e.g. `PutObject`; also those that were dropped or refused.
    pub requests: BTreeMap<String, u64>,
    /// Faults that came to pass, by name.
    pub faults: BTreeMap<String, u64>,
    /// Requests that had their effect, or whose bytes were taken, and that are held without an answer.
    pub held: u64,
    /// Bytes of the bodies of objects and parts as they came in, also of requests that failed.
    pub received: Vec<Received>,
    /// Bytes of the bodies of answers to GetObject.
    pub sent: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Received {
    /// `bucket/key` as it was on the wire.
    pub object: String,
    /// 0 for an object that was put whole.
    pub part: u32,
    pub requests: u64,
    pub bytes: u64,
}

impl Counts {
    pub fn of(&self, operation: &str) -> u64 {
        self.requests.get(operation).copied().unwrap_or(0)
    }

    pub fn all_requests(&self) -> u64 {
        self.requests.values().sum()
    }

    pub fn received_bytes(&self) -> u64 {
        self.received.iter().map(|received| received.bytes).sum()
    }

    pub fn request(&mut self, operation: &str) {
        *self.requests.entry(operation.to_owned()).or_default() += 1;
    }

    pub fn fault(&mut self, name: &str) {
        *self.faults.entry(name.to_owned()).or_default() += 1;
    }

    /// Where its bytes are counted from now on.
    pub fn body(&mut self, object: &str, part: u32) -> usize {
        let known = self.received.iter().position(|row| row.object == object && row.part == part);
        let at = known.unwrap_or_else(|| {
            self.received.push(Received { object: object.to_owned(), part, requests: 0, bytes: 0 });
            self.received.len() - 1
        });
        self.received[at].requests += 1;
        at
    }

    /// All to nothing but what is under way: connections, and the rows that bodies are counted in.
    pub fn reset(&mut self) {
        let received = std::mem::take(&mut self.received);
        let received = received.into_iter().map(|row| Received { requests: 0, bytes: 0, ..row }).collect();
        *self = Self { received, open: self.open, ..Self::default() };
    }
}
