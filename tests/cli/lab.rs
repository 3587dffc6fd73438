//! A place of its own for each test: a home, a folder to protect, a repository, and the programs.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

/// Long: a loaded machine is no reason to fail.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Lab {
    dir: tempfile::TempDir,
}

/// How a command ended.
#[derive(Debug)]
pub struct Done {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Done {
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "standard output:\n{}\nstandard error:\n{}", self.out, self.err);
        self
    }

    /// The error has all these texts in it, and says what to do.
    #[track_caller]
    pub fn says(self, texts: &[&str]) -> Self {
        for text in texts {
            assert!(self.err.contains(text), "{text:?} is missing in:\n{}", self.err);
        }
        assert!(self.err.contains("remedy:"), "no remedy in:\n{}", self.err);
        self
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e} in:\n{}", self.out))
    }
}

impl Lab {
    /// With a folder of a few files.
    pub fn new() -> Self {
        let lab = Self { dir: tempfile::tempdir().unwrap() };
        lab.write("a.txt", b"first");
        lab.write("docs/b.txt", b"second");
        lab.write("docs/deep/c.bin", &noise(300_000, 1));
        lab
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn root(&self) -> PathBuf {
        self.path("data")
    }

    pub fn write(&self, name: &str, content: &[u8]) {
        let path = self.root().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// `rozenctl` with this lab's configuration and state.
    pub fn ctl(&self, args: &[&str]) -> Done {
        self.run(self.command(env!("CARGO_BIN_EXE_rozenctl")).args(args), "")
    }

    /// The same as on another computer: no configuration, nothing else either.
    pub fn elsewhere(&self, args: &[&str], input: &str) -> Done {
        let mut command = bare(env!("CARGO_BIN_EXE_rozenctl"));
        command.env("HOME", self.path("nowhere")).current_dir(self.dir.path()).args(args);
        self.run(&mut command, input)
    }

    pub fn command(&self, program: &str) -> Command {
        let mut command = bare(program);
        command.arg("--config").arg(self.path("rozen.toml")).arg("--state").arg(self.path("state"));
        command.current_dir(self.dir.path()).env("HOME", self.path("home"));
        command
    }

    pub fn run(&self, command: &mut Command, input: &str) -> Done {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // a command that does not read its input may have closed it
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let done =
            Done { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) };
        assert!(!done.err.contains("panicked"), "{}", done.err);
        done
    }

    /// A repository, a recovery file, a configuration.
    pub fn init(&self) -> Done {
        let done = self.ctl(&["init", "--repo", "repo", "--root", "data", "--recovery-out", "recovery.txt"]);
        done.expect(0)
    }

    pub fn backup(&self) -> Done {
        self.ctl(&["backup", "--once"])
    }

    /// Into `to`, with the recovery file.
    pub fn restore(&self, to: &str) -> Done {
        self.elsewhere(&["restore", "latest", "--repo", "repo", "--recovery", "recovery.txt", "--to", to], "")
    }

    #[track_caller]
    pub fn assert_restores(&self) {
        let to = tempfile::tempdir_in(self.dir.path()).unwrap();
        let name = to.path().file_name().unwrap().to_str().unwrap().to_owned();
        self.restore(&name).expect(0);
        assert_same(&self.root(), to.path());
    }

    /// All objects of a folder of the repository's only machine.
    pub fn objects(&self, folder: &str) -> Vec<PathBuf> {
        let machines = self.path("repo/machines");
        let machine = fs::read_dir(machines).unwrap().next().unwrap().unwrap().path();
        let mut objects = Vec::new();
        let mut dirs = vec![machine.join(folder)];
        while let Some(dir) = dirs.pop() {
            for entry in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
                if entry.is_dir() { dirs.push(entry) } else { objects.push(entry) }
            }
        }
        objects.sort();
        objects
    }

    /// Starts `rozend` and waits until it is ready.
    pub fn agent(&self) -> Agent {
        let socket = self.path("notify");
        let _ = fs::remove_file(&socket);
        let notify = UnixDatagram::bind(&socket).unwrap();
        notify.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut command = self.command(env!("CARGO_BIN_EXE_rozend"));
        command.env("NOTIFY_SOCKET", &socket).stdin(Stdio::null()).stderr(Stdio::piped());
        let mut agent = Agent { child: command.spawn().unwrap() };
        let mut buffer = [0; 4096];
        while !String::from_utf8_lossy(&buffer).contains("READY=1") {
            buffer = [0; 4096];
            if notify.recv(&mut buffer).is_err() {
                let _ = agent.child.kill();
                panic!("the agent is not ready: {}", agent.errors());
            }
        }
        agent
    }

    /// Follows the status of the agent until it is as wanted.
    #[track_caller]
    pub fn await_status(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut command = self.command(env!("CARGO_BIN_EXE_rozenctl"));
        let mut child =
            command.args(["status", "--watch", "--json"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let found = BufReader::new(child.stdout.take().unwrap())
            .lines()
            .map_while(Result::ok)
            .map(|line| serde_json::from_str::<Value>(&line).unwrap())
            .find(|status| wanted(status));
        let _ = child.kill();
        child.wait().unwrap();
        found.unwrap_or_else(|| panic!("the agent has gone before {what}"))
    }
}

pub struct Agent {
    pub child: Child,
}

impl Agent {
    pub fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    /// Asks it to stop; its exit code.
    pub fn stop(mut self) -> i32 {
        self.signal("-TERM");
        self.child.wait().unwrap().code().unwrap_or(-1)
    }

    fn errors(&mut self) -> String {
        let mut text = String::new();
        let _ = self.child.stderr.take().map(|mut err| err.read_to_string(&mut text));
        text
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Nothing of the environment of whoever runs the tests.
fn bare(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

/// Bytes that do not compress, the same for the same seed.
pub fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    std::iter::repeat_with(|| next().to_le_bytes()).flatten().take(len).collect()
}

/// Names, contents and types; the rest is compared by other tests.
#[track_caller]
pub fn assert_same(expected: &Path, found: &Path) {
    let output = Command::new("diff").args(["-r", "--no-dereference"]).arg(expected).arg(found).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// Says that a test did not run.
pub fn skipped(why: &str) {
    eprintln!("skipped: {why}");
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
