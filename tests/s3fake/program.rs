//! [`Program`]: the server as a child process, so that it can be killed at any moment and started again.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, Stdio};

use serde_json::Value;

use super::control::{Command, Control};
use super::handle::S3Fake;

const DIR: &str = "ROZEN_S3FAKE_DIR";
const PORT: &str = "ROZEN_S3FAKE_PORT";
/// Set by [`Program`]: the server ends with the test, whose end of the pipe is then closed.
const IS_CHILD: &str = "ROZEN_S3FAKE_IS_CHILD";
/// Below the ports that systems give to clients: while the server is dead nobody is given its port.
const PORTS: std::ops::Range<u16> = 20_000..32_000;
const TRIES: usize = 100;
const SAYS: &str = "S3 for tests listens at ";

/// The body of the ignored test that [`Program::start`] names. Without a directory in the environment it does nothing,
/// so that all ignored tests can be run.
pub fn serve_from_environment() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let port = std::env::var(PORT).ok().map_or(0, |port| port.parse().expect("the port is a number"));
    let server = S3Fake::start_in(Path::new(&dir), port);
    println!("\n{SAYS}{}", server.endpoint());
    if std::env::var_os(IS_CHILD).is_some() {
        // ends when the test does, however it does
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        return;
    }
    server.wait();
}

pub struct Program {
    /// Name of the test in this binary that serves.
    test: String,
    dir: PathBuf,
    child: Child,
    address: SocketAddr,
}

impl Program {
    /// `test` is the path of an ignored test of the same binary that calls [`serve_from_environment`].
    pub fn start(test: &str, dir: &Path) -> Self {
        // processes begin at different places; a port that is taken costs a try
        let begin = std::process::id() as usize * 7 % PORTS.len();
        let ports = PORTS.cycle().skip(begin).take(TRIES);
        let mut ports = ports.filter(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok());
        let (child, address) = ports.find_map(|port| spawn(test, dir, port)).expect("one of many ports is free");
        Self { test: test.to_owned(), dir: dir.to_path_buf(), child, address }
    }

    /// At once, as a power cut would; the same directory is served again at the same place.
    pub fn kill_and_restart(&mut self) {
        self.kill();
        self.restart();
    }

    pub fn kill(&mut self) {
        self.child.kill().expect("the child is ours");
        self.child.wait().expect("the child is ours");
    }

    pub fn restart(&mut self) {
        let started = spawn(&self.test, &self.dir, self.address.port());
        (self.child, self.address) = started.expect("its port is still free");
    }

    /// `http://127.0.0.1:PORT`, the same after a restart.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Control for Program {
    fn control(&self, command: Command) -> Value {
        let command = serde_json::to_string(&command).expect("a command is plain data");
        let mut stream = TcpStream::connect(self.address).expect("the server listens");
        let head = format!(
            "POST /_fake/control HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            self.address,
            command.len()
        );
        stream.write_all((head + &command).as_bytes()).expect("the server reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the server answers");
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
        assert!(head.starts_with("HTTP/1.1 200"), "{head}: {body}");
        serde_json::from_str(body).expect("answers are JSON")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // it may be dead already
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `None` when it ends without listening: somebody else has the port.
fn spawn(test: &str, dir: &Path, port: u16) -> Option<(Child, SocketAddr)> {
    let binary = std::env::current_exe().expect("a test knows its binary");
    let mut process = Process::new(binary);
    process.args(["--exact", test, "--ignored", "--nocapture", "--test-threads=1"]);
    process.env(DIR, dir).env(PORT, port.to_string()).env(IS_CHILD, "1");
    process.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let mut child = process.spawn().expect("a test can start itself");
    let output = BufReader::new(child.stdout.take().expect("it was piped"));
    let says = |line: std::io::Result<String>| line.ok()?.strip_prefix(SAYS)?.strip_prefix("http://")?.parse().ok();
    let Some(address) = output.lines().find_map(says) else {
        child.wait().expect("the child is ours");
        return None;
    };
    Some((child, address))
}
