//! [`S3Fake`]: a server in this process, on a thread of its own, until the handle is dropped.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use serde_json::Value;
use tokio::sync::oneshot;

use super::control::{Command, Control};
use super::disk::Row;
use super::state::User;
use super::store::Fake;
use super::wire::{bind, serve};

/// The owner's.
pub const ACCESS_KEY: &str = "AKIAROZENTESTOWNER00";
pub const SECRET_KEY: &str = "secret-of-the-owner-in-tests";

pub struct S3Fake {
    fake: Arc<Fake>,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    /// Removed with the handle, where nobody gave one.
    _dir: Option<tempfile::TempDir>,
}

impl S3Fake {
    /// Empty, on a free port.
    pub fn start() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut started = Self::start_in(dir.path(), 0);
        started._dir = Some(dir);
        started
    }

    /// Continues what the directory holds; port 0 for a free one.
    pub fn start_in(dir: &Path, port: u16) -> Self {
        let fake = Arc::new(Fake::open(dir).expect("the directory of the server can be read and written"));
        let owner = User {
            access_key: ACCESS_KEY.to_owned(),
            secret_key: SECRET_KEY.to_owned(),
            name: User::ROOT.to_owned(),
            policies: Vec::new(),
            expired: false,
        };
        fake.state().commit(vec![Row::User(owner)]);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let wanted = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let listener = runtime.block_on(bind(wanted)).expect("the port is free");
        let address = listener.local_addr().expect("it is bound");
        let (stop, stopped) = oneshot::channel();
        let served = fake.clone();
        let thread = std::thread::spawn(move || runtime.block_on(serve(served, listener, stopped)));
        Self { fake, address, stop: Some(stop), thread: Some(thread), _dir: None }
    }

    /// `http://127.0.0.1:PORT`
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// For programs that wait until they are killed.
    pub fn wait(mut self) {
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the server does not panic");
        }
    }
}

impl Control for S3Fake {
    fn control(&self, command: Command) -> Value {
        self.fake.control(command)
    }
}

impl Drop for S3Fake {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // its panic was printed; a second one would hide the failure of the test
            let _ = thread.join();
        }
    }
}
