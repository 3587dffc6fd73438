//! What a test tells the server: the same commands from a handle in this process and over HTTP (`POST /_fake/control`
//! with a command as JSON; `GET /_fake/counts` for people).

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::Pin;

use hyper::Response;
use hyper::body::{Body as _, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use s3s::Body;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::count::Counts;
use super::disk::{Row, State};
use super::fault::Rule;
use super::operation::Operation;
use super::policy::check;
use super::state::{Blob, Key, Settings, User};
use super::store::Fake;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Command {
    Settings(Settings),
    Inject(Rule),
    ClearFaults,
    /// Moves the store's clock: thawing, retention, lifecycle.
    Advance {
        seconds: i64,
    },
    /// Adds or replaces.
    User(User),
    /// Requests signed with the key are ExpiredToken until it is renewed.
    Expire {
        access_key: String,
        expired: bool,
    },
    Bucket {
        name: String,
        versioned: bool,
        lock: bool,
    },
    Counts,
    ResetCounts,
    /// What a bucket holds.
    Contents {
        bucket: String,
    },
}

/// What can be seen in a bucket.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Contents {
    /// Sizes in bytes, by key.
    pub objects: BTreeMap<String, u64>,
    /// Keys of uploads that take parts, once for each.
    pub uploads: Vec<String>,
}

/// A server in this process or another one.
pub trait Control {
    /// The answer; null where there is nothing to say.
    fn control(&self, command: Command) -> Value;

    fn settings(&self, settings: Settings) {
        self.control(Command::Settings(settings));
    }

    fn inject(&self, rule: Rule) {
        self.control(Command::Inject(rule));
    }

    fn clear_faults(&self) {
        self.control(Command::ClearFaults);
    }

    fn advance(&self, seconds: i64) {
        self.control(Command::Advance { seconds });
    }

    fn add_user(&self, user: User) {
        self.control(Command::User(user));
    }

    fn expire(&self, access_key: &str, expired: bool) {
        self.control(Command::Expire { access_key: access_key.to_owned(), expired });
    }

    /// A plain bucket.
    fn make_bucket(&self, name: &str) {
        self.control(Command::Bucket { name: name.to_owned(), versioned: false, lock: false });
    }

    fn counts(&self) -> Counts {
        serde_json::from_value(self.control(Command::Counts)).expect("it was made of counts")
    }

    fn contents(&self, bucket: &str) -> Contents {
        let contents = self.control(Command::Contents { bucket: bucket.to_owned() });
        serde_json::from_value(contents).expect("it was made of contents")
    }

    fn reset_counts(&self) {
        self.control(Command::ResetCounts);
    }
}

impl State {
    fn contents(&self, bucket: &str) -> Contents {
        let sized = |(key, row): (&str, &Key)| Some((key.to_owned(), row.current()?.size()));
        let objects = self.keys_after(bucket, "", "").filter_map(sized).collect();
        let open = self.uploads.values().filter(|upload| upload.bucket == bucket && upload.completed.is_none());
        Contents { objects, uploads: open.map(|upload| upload.key.clone()).collect() }
    }
}

impl Fake {
    /// # Panics
    /// When a policy of a user cannot be evaluated here, or a bucket exists.
    pub fn control(&self, command: Command) -> Value {
        match command {
            Command::Settings(settings) => self.state().commit(vec![Row::Settings(settings)]),
            Command::Inject(rule) => self.faults().add(rule),
            Command::ClearFaults => {
                self.faults().clear();
                self.cleared.notify_waiters();
            }
            Command::Advance { seconds } => self.advance(seconds),
            Command::User(user) => {
                user.policies.iter().for_each(|policy| check(policy).expect("policies of tests can be evaluated"));
                self.state().commit(vec![Row::User(user)]);
            }
            Command::Expire { access_key, expired } => {
                let mut state = self.state();
                let user = User { expired, ..state.users[&access_key].clone() };
                state.commit(vec![Row::User(user)]);
            }
            Command::Bucket { name, versioned, lock } => {
                self.create_bucket(&name, lock).expect("the bucket is new");
                if versioned {
                    self.set(&name, |bucket| bucket.versioning = Some("Enabled".to_owned())).expect("it is there");
                }
            }
            Command::Counts => return serde_json::to_value(&*self.counts()).expect("counts are plain data"),
            Command::ResetCounts => self.counts().reset(),
            Command::Contents { bucket } => {
                return serde_json::to_value(self.state().contents(&bucket)).expect("contents are plain data");
            }
        }
        Value::Null
    }

    /// Something happens to the upload of a request behind the client's back.
    pub fn harm(&self, operation: &Operation, harm: fn(&mut State, &str) -> Vec<Blob>) {
        if let Some(upload) = &operation.upload {
            let gone = harm(&mut self.state(), upload);
            self.discard(&gone);
        }
    }

    pub async fn command_over_http(&self, path: &str, mut body: Incoming) -> Response<Body> {
        let mut text = Vec::new();
        while let Some(Ok(frame)) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            text.extend_from_slice(&frame.into_data().unwrap_or_default());
        }
        let command = match path {
            "counts" => Ok(Command::Counts),
            _ => serde_json::from_slice(&text),
        };
        let (status, answer) = match command {
            Ok(command) => (200, self.control(command)),
            Err(error) => (400, json!(error.to_string())),
        };
        let mut response = Response::new(Body::from(answer.to_string()));
        *response.status_mut() = status.try_into().expect("both exist");
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }
}
