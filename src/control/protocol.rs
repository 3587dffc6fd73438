//! The messages: one JSON object per line. Parsing is total: any bytes give a request or a refusal.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::Wish;
use crate::model::RootId;

/// Raised when an old client could misunderstand; new fields and methods do not raise it.
pub const PROTOCOL: u32 = 1;
/// Of what a client sends, in bytes, newline included.
pub(super) const MAX_LINE: usize = 1 << 20;

/// The first line that the agent sends.
#[derive(Serialize, Deserialize)]
pub(super) struct Hello {
    pub(super) rozen: HelloBody,
}

#[derive(Serialize, Deserialize)]
pub(super) struct HelloBody {
    pub(super) version: String,
    pub(super) protocol: u32,
}

#[derive(Debug, PartialEq)]
pub(super) struct Request {
    pub(super) id: u64,
    pub(super) method: Method,
}

#[derive(Debug, PartialEq)]
pub(super) enum Method {
    Version,
    Status,
    Usage,
    Watch,
    Backup(Backup),
    Pause(Pause),
    Resume,
}

#[derive(Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Backup {
    /// None = all.
    pub(super) roots: Vec<RootId>,
    pub(super) full: bool,
    /// Roots that a person says are meant to be as they are now; they are backed up too.
    pub(super) accept: Vec<RootId>,
    /// Answer when it is done, not when it is taken.
    pub(super) wait: bool,
}

impl Backup {
    pub(super) fn into_wish(self) -> Wish {
        let Backup { roots, full, accept, wait: _ } = self;
        Wish { roots, full, accept }
    }
}

#[derive(Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Pause {
    /// `null`: until `resume`.
    pub(super) seconds: Option<u64>,
}

/// Ten years: nobody means more, and nothing that is counted from now overflows.
const MAX_PAUSE_SECS: u64 = 10 * 365 * 86_400;

impl Pause {
    fn check(self) -> Result<Self, WireError> {
        match self.seconds {
            Some(seconds) if seconds > MAX_PAUSE_SECS => Err(WireError::new(
                ErrorCode::BadParams,
                format!("`params`: a pause of {seconds} seconds is too long"),
                format!("at most {MAX_PAUSE_SECS}; without a length it lasts until `resume`"),
            )),
            _ => Ok(self),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// Stable: programs may match on them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// No JSON object with `id` and `method`.
    BadRequest,
    UnknownMethod,
    BadParams,
    NotPermitted,
    /// The connection is closed after it.
    LineTooLong,
    /// Too many connections or requests; the connection may be closed after it.
    Busy,
    /// The agent is stopping.
    Stopping,
    /// The agent could not read what it was asked for.
    Failed,
    /// A code that this version does not know.
    #[serde(other)]
    Unknown,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct WireError {
    pub code: ErrorCode,
    pub message: String,
    pub hint: String,
}

/// A request that is none, with its id if it had one.
#[derive(Debug, PartialEq)]
pub(super) struct Refusal {
    pub(super) id: Option<u64>,
    pub(super) error: WireError,
}

/// What the agent answers, as a client reads it.
#[derive(Deserialize)]
pub(super) struct Answer {
    pub(super) id: Option<u64>,
    #[serde(default)]
    pub(super) result: Value,
    pub(super) error: Option<WireError>,
}

/// What follows the answer to `watch`.
#[derive(Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum Event {
    Delta {
        changed: Map<String, Value>,
    },
    State {
        status: Value,
    },
    /// `lagged`, and what newer agents may add.
    #[serde(other)]
    Other,
}

impl WireError {
    pub(super) fn new(code: ErrorCode, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: hint.into() }
    }
}

impl Method {
    /// What everybody on the machine may ask.
    pub(super) fn is_public(&self) -> bool {
        matches!(self, Method::Version)
    }
}

pub(super) fn parse(line: &[u8]) -> Result<Request, Refusal> {
    let bad = |id, message: String| Refusal {
        id,
        error: WireError::new(
            ErrorCode::BadRequest,
            message,
            "send one JSON object per line such as {\"id\":1,\"method\":\"status\"}",
        ),
    };
    let value: Value = serde_json::from_slice(line).map_err(|e| bad(None, format!("this is no JSON: {e}")))?;
    let id = value.get("id").and_then(Value::as_u64);
    let Some(number) = id else { return Err(bad(None, "`id` must be a whole number".into())) };
    let Some(name) = value.get("method").and_then(Value::as_str) else {
        return Err(bad(id, "`method` must be a string".into()));
    };
    let params = value.get("params").cloned().unwrap_or_else(|| json!({}));
    let method = method(name, params).map_err(|error| Refusal { id, error })?;
    Ok(Request { id: number, method })
}

fn method(name: &str, params: Value) -> Result<Method, WireError> {
    match name {
        "version" => self::params::<Nothing>(params).map(|_| Method::Version),
        "status" => self::params::<Nothing>(params).map(|_| Method::Status),
        "usage" => self::params::<Nothing>(params).map(|_| Method::Usage),
        "watch" => self::params::<Nothing>(params).map(|_| Method::Watch),
        "resume" => self::params::<Nothing>(params).map(|_| Method::Resume),
        "backup" => self::params(params).map(Method::Backup),
        "pause" => self::params::<Pause>(params).and_then(Pause::check).map(Method::Pause),
        _ => Err(WireError::new(
            ErrorCode::UnknownMethod,
            format!("there is no method {:?}", name.chars().take(80).collect::<String>()),
            "known: version, status, usage, watch, backup, pause, resume",
        )),
    }
}

fn params<T: DeserializeOwned>(params: Value) -> Result<T, WireError> {
    serde_json::from_value(params)
        .map_err(|e| WireError::new(ErrorCode::BadParams, format!("`params`: {e}"), "see docs/control.md"))
}

pub(super) fn result(id: u64, result: Value) -> Value {
    json!({ "id": id, "result": result })
}

pub(super) fn error(id: Option<u64>, error: &WireError) -> Value {
    json!({ "id": id, "error": error })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(line: &str) -> ErrorCode {
        parse(line.as_bytes()).unwrap_err().error.code
    }

    #[test]
    fn requests_are_read_with_their_parameters() {
        let parsed = parse(br#"{"id":3,"method":"backup","params":{"roots":["home"],"wait":true}}"#).unwrap();
        let backup = Backup { roots: vec!["home".parse().unwrap()], wait: true, ..Backup::default() };
        assert_eq!(parsed, Request { id: 3, method: Method::Backup(backup) });
        assert_eq!(parse(br#"{"method":"pause","id":0}"#).unwrap().method, Method::Pause(Pause { seconds: None }));
    }

    #[test]
    fn what_is_no_request_is_refused_with_a_code() {
        for line in ["", "x", "[]", "{}", "\"id\"", r#"{"id":-1,"method":"status"}"#, r#"{"id":1,"method":2}"#] {
            assert_eq!(code(line), ErrorCode::BadRequest, "{line}");
        }
        assert_eq!(code(r#"{"id":1,"method":"rm"}"#), ErrorCode::UnknownMethod);
        for params in [r#"{"x":1}"#, r#"{"roots":["../x"]}"#, "5", r#"{"wait":"yes"}"#] {
            assert_eq!(code(&format!(r#"{{"id":1,"method":"backup","params":{params}}}"#)), ErrorCode::BadParams);
        }
        assert_eq!(code(r#"{"id":1,"method":"status","params":{"x":1}}"#), ErrorCode::BadParams);
        assert_eq!(code(&"[".repeat(100_000)), ErrorCode::BadRequest);
    }

    #[test]
    fn a_pause_that_no_clock_can_count_is_refused() {
        let pause =
            |seconds: u64| parse(format!(r#"{{"id":1,"method":"pause","params":{{"seconds":{seconds}}}}}"#).as_bytes());
        assert_eq!(pause(u64::MAX).unwrap_err().error.code, ErrorCode::BadParams);
        assert_eq!(pause(MAX_PAUSE_SECS + 1).unwrap_err().error.code, ErrorCode::BadParams);
        assert!(pause(MAX_PAUSE_SECS).is_ok() && pause(0).is_ok());
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_parser_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }
    }
}
