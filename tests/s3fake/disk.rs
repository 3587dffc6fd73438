//! The state in memory and the log on the disk that it is rebuilt from: a line of JSON for each entity that changed, the
//! last line of an entity counts. A line is written whole by one call, so a killed server leaves no half of an effect.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::state::{Bucket, Key, Part, Settings, Upload, User};

const LOG: &str = "log.jsonl";

/// An entity as it is now; `None` where it is no more. Rows of one effect stand in one line.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Row {
    Settings(Settings),
    /// Seconds that the store's clock is ahead.
    Clock(i64),
    User(User),
    Bucket(String, Option<Box<Bucket>>),
    Key(String, String, Key),
    Upload(String, Option<Upload>),
    Part(String, i32, Option<Part>),
}

pub struct State {
    pub settings: Settings,
    pub ahead: i64,
    pub users: BTreeMap<String, User>,
    pub buckets: BTreeMap<String, Bucket>,
    pub keys: BTreeMap<(String, String), Key>,
    pub uploads: BTreeMap<String, Upload>,
    sequence: u64,
    log: File,
}

impl State {
    /// Continues what the directory holds.
    pub fn open(dir: &Path) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let known = fs::read_to_string(dir.join(LOG)).unwrap_or_default();
        let whole = known.rfind('\n').map_or(0, |end| end + 1);
        let log = OpenOptions::new().create(true).append(true).open(dir.join(LOG))?;
        log.set_len(whole as u64)?;
        let mut state = Self {
            settings: Settings::default(),
            ahead: 0,
            users: BTreeMap::new(),
            buckets: BTreeMap::new(),
            keys: BTreeMap::new(),
            uploads: BTreeMap::new(),
            sequence: 0,
            log,
        };
        for line in known[..whole].lines() {
            serde_json::from_str::<Vec<Row>>(line)?.into_iter().for_each(|row| state.apply(row));
        }
        Ok(state)
    }

    /// One effect: in the log first, then in memory.
    pub fn commit(&mut self, rows: Vec<Row>) {
        let mut line = serde_json::to_vec(&rows).expect("rows are plain data");
        line.push(b'\n');
        self.log.write_all(&line).expect("the directory of the server can be written");
        rows.into_iter().for_each(|row| self.apply(row));
    }

    fn apply(&mut self, row: Row) {
        match row {
            Row::Settings(settings) => self.settings = settings,
            Row::Clock(ahead) => self.ahead = ahead,
            Row::User(user) => drop(self.users.insert(user.access_key.clone(), user)),
            Row::Bucket(name, Some(bucket)) => drop(self.buckets.insert(name, *bucket)),
            Row::Bucket(name, None) => drop(self.buckets.remove(&name)),
            Row::Key(bucket, key, row) => self.apply_key(bucket, key, row),
            Row::Upload(id, Some(mut upload)) => {
                self.saw(upload.order);
                if let Some(before) = self.uploads.remove(&id) {
                    upload.parts = before.parts;
                }
                self.uploads.insert(id, upload);
            }
            Row::Upload(id, None) => drop(self.uploads.remove(&id)),
            Row::Part(id, number, part) => self.apply_part(&id, number, part),
        }
    }

    fn apply_key(&mut self, bucket: String, key: String, row: Key) {
        row.versions.iter().map(|version| version.order).chain(row.deleted).for_each(|order| self.saw(order));
        match row.versions.is_empty() && row.deleted.is_none() {
            true => drop(self.keys.remove(&(bucket, key))),
            false => drop(self.keys.insert((bucket, key), row)),
        }
    }

    fn apply_part(&mut self, id: &str, number: i32, part: Option<Part>) {
        let Some(upload) = self.uploads.get_mut(id) else { return };
        match part {
            Some(part) => drop(upload.parts.insert(number, part)),
            None => drop(upload.parts.remove(&number)),
        }
    }

    fn saw(&mut self, order: u64) {
        self.sequence = self.sequence.max(order);
    }

    /// The order of a new thing: after all that there are.
    pub fn next(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    /// The store's time in seconds since 1970: for dates of objects, retention, thawing and lifecycle.
    pub fn now(&self) -> i64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is after 1970");
        now.as_secs().cast_signed() + self.ahead
    }

    /// Files that an entity needs; all others are of requests that never ended.
    pub fn blobs(&self) -> impl Iterator<Item = &str> {
        let objects = self.keys.values().flat_map(|key| &key.versions).flat_map(|version| &version.blobs);
        let parts = self.uploads.values().flat_map(|upload| upload.parts.values()).map(|part| &part.blob);
        objects.chain(parts).map(|blob| blob.file.as_str())
    }
}
