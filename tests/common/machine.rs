//! A machine to protect, in a directory of its own: the real programs with their own configuration and state.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

pub struct Machine {
    dir: tempfile::TempDir,
    root: PathBuf,
}

impl Machine {
    /// Not set up yet; its root is an empty directory.
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        fs::create_dir(&root).unwrap();
        Self { dir, root }
    }

    /// Protects a directory that is there already.
    pub fn of(root: &Path) -> Self {
        Self { dir: tempfile::tempdir().unwrap(), root: root.to_path_buf() }
    }

    /// Where everything of this machine lies.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn state(&self) -> PathBuf {
        self.at("state")
    }

    pub fn repository(&self) -> PathBuf {
        self.at("repository")
    }

    pub fn recovery(&self) -> PathBuf {
        self.at("away-from-the-machine/recovery.txt")
    }

    pub fn init(&self) {
        self.init_at(&format!("file://{}", self.repository().display()));
    }

    /// With a repository anywhere.
    pub fn init_at(&self, url: &str) {
        fs::create_dir(self.recovery().parent().unwrap()).unwrap();
        let (root, recovery) = (self.root.as_os_str(), self.recovery());
        let args = [OsStr::new("--repo"), url.as_ref(), "--root".as_ref(), root, "--recovery-out".as_ref()];
        let mut init = self.rozenctl("init");
        expect(init.args(args).arg(recovery), 0);
    }

    /// Adds whole tables to the configuration that `init` wrote.
    pub fn configure(&self, tables: &str) {
        let path = self.at("rozen.toml");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{text}\n{tables}\n")).unwrap();
    }

    /// Nothing is left out of the backup.
    pub fn exclude_nothing(&self) {
        self.configure("[exclude]\ndefault_list = false\nnodump = false\ncaches = false\nfiles = []\nif_present = []");
    }

    pub fn rozenctl(&self, subcommand: &str) -> Command {
        let mut command = Command::new(program("rozenctl", env!("CARGO_BIN_EXE_rozenctl")));
        self.environment(&mut command);
        command.arg("--config").arg(self.at("rozen.toml")).arg("--state").arg(self.state()).arg(subcommand);
        command
    }

    pub fn rozend(&self) -> Command {
        let mut command = Command::new(program("rozend", env!("CARGO_BIN_EXE_rozend")));
        self.environment(&mut command);
        command.arg("--config").arg(self.at("rozen.toml")).arg("--state").arg(self.state());
        command
    }

    /// A machine knows nothing of the one that the tests run on.
    fn environment(&self, command: &mut Command) {
        for name in ["ROZEN_CONFIG", "ROZEN_RECOVERY_FILE", "ROZEN_PASSPHRASE_FILE", "NOTIFY_SOCKET"] {
            command.env_remove(name);
        }
        command.env("XDG_RUNTIME_DIR", self.at("run")).env("HOME", self.at("home"));
    }

    /// One run in the foreground; the JSON that it printed.
    pub fn backup(&self) -> Value {
        let out = expect(self.rozenctl("backup").args(["--once", "--json"]), 0);
        json(&out)
    }

    /// A whole snapshot into a fresh directory.
    pub fn restore(&self, snapshot: &str, to: &str) -> PathBuf {
        let to = self.at(to);
        expect(self.restore_command(snapshot).arg("--to").arg(&to), 0);
        to
    }

    pub fn restore_command(&self, snapshot: &str) -> Command {
        let mut command = self.rozenctl("restore");
        command.arg(snapshot).arg("--recovery").arg(self.recovery());
        command
    }

    /// Of all snapshots, oldest first, what `rozenctl snapshots --json` says.
    pub fn snapshots(&self) -> Vec<Value> {
        let out = expect(self.rozenctl("snapshots").arg("--json").arg("--recovery").arg(self.recovery()), 0);
        json_lines(&out)
    }

    /// Every object of the repository with its size in bytes.
    pub fn objects(&self) -> Vec<(PathBuf, u64)> {
        let mut found = Vec::new();
        let mut open = vec![self.repository()];
        while let Some(dir) = open.pop() {
            for entry in fs::read_dir(dir).unwrap() {
                let entry = entry.unwrap();
                match entry.file_type().unwrap().is_dir() {
                    true => open.push(entry.path()),
                    false => found.push((entry.path(), entry.metadata().unwrap().len())),
                }
            }
        }
        found.sort();
        found
    }

    /// Bytes of all packs of file content.
    pub fn content_bytes(&self) -> u64 {
        let is_content = |path: &Path| path.parent().is_some_and(|dir| dir.ends_with("packs"));
        self.objects().iter().filter(|(path, _)| is_content(path)).map(|(_, size)| size).sum()
    }
}

/// Programs that were built otherwise, as those that people get, lie in the directory that `ROZEN_PROGRAMS` names.
fn program(name: &str, built: &str) -> PathBuf {
    std::env::var_os("ROZEN_PROGRAMS").map_or_else(|| built.into(), |dir| PathBuf::from(dir).join(name))
}

impl Drop for Machine {
    /// What is immutable or append-only could not be removed.
    fn drop(&mut self) {
        if super::is_root() {
            // without chattr there are no such files
            let _ = Command::new("chattr").args(["-R", "-f", "-ia"]).arg(self.dir.path()).output();
        }
    }
}

/// Runs it; anything but the expected exit code fails the test and shows what was printed.
pub fn expect(command: &mut Command, code: i32) -> Output {
    let out = command.output().unwrap();
    assert_eq!(
        out.status.code(),
        Some(code),
        "{command:?}\n{}\n{}",
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr)
    );
    out
}

pub fn json(out: &Output) -> Value {
    serde_json::from_slice(&out.stdout).unwrap_or_else(|error| panic!("{error}: {:?}", text(out)))
}

/// A value on each line.
pub fn json_lines(out: &Output) -> Vec<Value> {
    text(out).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub fn text(out: &Output) -> String {
    String::from_utf8_lossy(&out.stdout).into_owned()
}
