//! Whether the configuration still says what it said when the agent started. It is not taken over while the agent runs: what
//! somebody has written there and nobody reads is a problem that they are told of.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::config::{Config, ConfigError};
use crate::model::{Problem, ProblemCode, with_causes};

pub(super) struct ConfigFile {
    path: PathBuf,
    /// What holds.
    config: Config,
    /// How the file looked when it was read last.
    looked: Option<Look>,
    told: Option<Problem>,
}

/// Inode, size, and change time.
type Look = Option<(u64, u64, i64, i64)>;

impl ConfigFile {
    pub(super) fn new(path: PathBuf, config: Config) -> Self {
        Self { path, config, looked: None, told: None }
    }

    /// `Some` where what is to be told is another than at the last look. Costs a look at the file's attributes, unless they have
    /// changed.
    pub(super) fn look(&mut self) -> Option<Option<Problem>> {
        let now = look(&self.path);
        if self.looked == Some(now) {
            return None;
        }
        self.looked = Some(now);
        let told = told(&self.path, &self.config, Config::load(&self.path));
        (told != self.told).then(|| {
            self.told.clone_from(&told);
            told
        })
    }
}

fn look(path: &Path) -> Look {
    let found = fs::metadata(path).ok()?;
    Some((found.ino(), found.size(), found.ctime(), found.ctime_nsec()))
}

fn told(path: &Path, holds: &Config, now: Result<Config, ConfigError>) -> Option<Problem> {
    let (message, remedy) = match now {
        Ok(now) if now == *holds => return None,
        Ok(_) => (
            "it has changed; until the agent is started again it does what was written there before".to_owned(),
            "Start the agent again (`systemctl restart rozend`; where `rozenctl up` runs, end it with Ctrl-C and type it again).",
        ),
        Err(error) => (
            // in one line: it has one for each fault
            format!(
                "it cannot be used any more, and the next start would fail: {}",
                with_causes(&error).replace("\n ", "")
            ),
            "Correct it, or bring it back: what the agent does now was written there before.",
        ),
    };
    Some(Problem::new(ProblemCode::ConfigChanged, path.as_os_str().as_encoded_bytes(), message, remedy))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_has_read_is_told_once_and_taken_back_when_it_is_as_before() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rozen.toml");
        let text = |roots: &str| format!("repository = \"/repo\"\nmachine_key = \"/key\"\n{roots}");
        let one = text("[[root]]\nid = \"a\"\npath = \"/a\"\n");
        fs::write(&path, &one).unwrap();
        let mut file = ConfigFile::new(path.clone(), Config::load(&path).unwrap());
        assert_eq!(file.look(), None);
        // each a file of its own, so that it looks different whatever the clock does
        let replace = |text: &str| {
            fs::write(dir.path().join("new"), text).unwrap();
            fs::rename(dir.path().join("new"), &path).unwrap();
        };
        replace(&format!("# nothing else\n{one}"));
        assert_eq!(file.look(), None, "it says the same");
        replace(&text("[[root]]\nid = \"a\"\npath = \"/a\"\n[[root]]\nid = \"b\"\npath = \"/b\"\n"));
        let told = file.look().unwrap().unwrap();
        assert!(told.message.contains("has changed") && told.remedy.contains("restart"), "{told:?}");
        assert_eq!(file.look(), None, "once");
        replace("garbage = 1");
        let message = file.look().unwrap().unwrap().message;
        assert!(message.contains("used: line 1: `repository`") && message.contains("garbage"), "{message}");
        assert!(!message.contains('\n'), "{message}");
        fs::remove_file(&path).unwrap();
        assert!(file.look().unwrap().is_some());
        replace(&one);
        assert_eq!(file.look(), Some(None));
    }
}
