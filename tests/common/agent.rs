//! `rozend` as a child of the test: started, watched through `rozenctl status --json`, killed.

use std::fs::{self, File};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Machine;

/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks at a condition.
const PAUSE: Duration = Duration::from_millis(20);

pub struct Agent<'a> {
    machine: &'a Machine,
    child: Child,
    patience: Duration,
}

impl<'a> Agent<'a> {
    /// Returns when it watches.
    pub fn start(machine: &'a Machine) -> Self {
        let mut agent = Self::spawn(machine, None);
        agent.wait_for("it watches", |status| status["agent"]["state"] == "watching");
        agent
    }

    /// May end at any time, above all with a crash point such as `"upload.stored:1"`.
    pub fn spawn(machine: &'a Machine, crash_at: Option<&str>) -> Self {
        let log = File::options().create(true).append(true).open(machine.at("agent.log")).unwrap();
        let mut command = machine.rozend();
        crash_at.iter().for_each(|point| _ = command.env("ROZEN_CRASH_AT", point));
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        Self { machine, child, patience: PATIENCE }
    }

    /// For runs that take longer.
    pub fn patient(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// As a power cut for the process: nothing is flushed, nothing is put in order.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// As the service manager does it.
    pub fn stop(mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let status = self.child.wait().unwrap();
        assert_eq!(status.code(), Some(0), "{}", self.log());
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// What `rozenctl status` says; `None` when nobody answers.
    pub fn status(&self) -> Option<Value> {
        let out = self.machine.rozenctl("status").arg("--json").output().unwrap();
        match out.status.code() {
            // with problems, such as a root that is gone, it is an answer as well
            Some(0 | 3) => Some(super::machine::json(&out)),
            Some(4) => None,
            _ => panic!("{}", String::from_utf8_lossy(&out.stderr)),
        }
    }

    pub fn wait_for(&mut self, what: &str, mut is_true: impl FnMut(&Value) -> bool) -> Value {
        let start = Instant::now();
        loop {
            let status = self.status();
            if let Some(status) = status.as_ref().filter(|status| is_true(status)) {
                return status.clone();
            }
            let ended = self.ended();
            let is_over = ended.is_some() || start.elapsed() > self.patience;
            assert!(!is_over, "not until {what}: {ended:?}\n{status:#?}\n{}", self.log());
            std::thread::sleep(PAUSE);
        }
    }

    /// Until all that was changed before this call is in a snapshot, by the agent's own recovery point. Returns the
    /// number of the newest snapshot.
    pub fn settle(&mut self) -> u64 {
        // a change of its own: without one a recovery point may rest at the last run
        let marker = self.machine.root().join("marker");
        let mark = || {
            fs::write(&marker, OffsetDateTime::now_utc().to_string()).unwrap();
            (SystemTime::now(), Instant::now())
        };
        let mut marked = mark();
        let status = self.wait_for("all is stored", |status| {
            if marked.1.elapsed() > Duration::from_secs(10) {
                marked = mark();
            }
            recovery_point(status).is_some_and(|point| point > marked.0)
        });
        status["roots"][0]["last_snapshot"]["seq"].as_u64().unwrap()
    }

    pub fn log(&self) -> String {
        let text = fs::read_to_string(self.machine.at("agent.log")).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }
}

impl Drop for Agent<'_> {
    fn drop(&mut self) {
        // it has ended already where the test went well
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn recovery_point(status: &Value) -> Option<SystemTime> {
    let text = status["roots"][0]["recovery_point"].as_str()?;
    Some(OffsetDateTime::parse(text, &Rfc3339).unwrap().into())
}
