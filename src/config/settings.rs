//! The settings as the rest of the program sees them: typed, in range, with defaults filled in.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{ConfigError, ExcludeConfig, ExcludeLayer, LimitsConfig};
use crate::model::{MergeRule, Problem, ProblemCode, RootId, StorageClass};

/// A configuration is a page, not a database: more is a wrong file.
const MAX_BYTES: u64 = 1 << 20;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// URL of the target, as written: the room `store` reads it.
    pub repository: String,
    /// Absolute, or as it followed from the place of the configuration.
    pub machine_key: PathBuf,
    /// At least one; ids and paths occur once.
    pub roots: Vec<RootConfig>,
    /// For all roots; each may add to it, see [`Config::excludes_of`].
    pub exclude: ExcludeConfig,
    pub run: RunConfig,
    pub archive: ArchiveConfig,
    pub limits: LimitsConfig,
    pub log: LogConfig,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RootConfig {
    pub id: RootId,
    /// Absolute, without `.` and `..`.
    pub path: PathBuf,
    pub tier: Tier,
    /// In which the target keeps the content; standard on targets without classes.
    pub class: StorageClass,
    pub exclude: ExcludeLayer,
}

/// How a root is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Tier {
    #[default]
    Normal,
    /// Never changes after it was written. Parsed, but refused until the room `worm` exists.
    Worm,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RunConfig {
    /// A run starts when nothing changed for so long …
    pub settle: Duration,
    /// … or when the oldest change is so old.
    pub max_delay: Duration,
    /// A long run commits a partial snapshot so often.
    pub partial_every: Duration,
    /// Every root is compared in full so often, whatever the watcher said.
    pub audit_every: Duration,
    /// The same for a root of which the watcher misses something (limits, network filesystems).
    pub poll_every: Duration,
    /// A filesystem is kept frozen for so long; then the run ends with what it has and the next one freezes anew.
    pub freeze_limit: Duration,
    /// zstd, 1–19.
    pub level: i32,
}

impl Default for RunConfig {
    fn default() -> Self {
        Self {
            settle: Duration::from_secs(10),
            max_delay: Duration::from_secs(300),
            partial_every: Duration::from_secs(300),
            audit_every: Duration::from_secs(24 * 3600),
            poll_every: Duration::from_secs(3600),
            freeze_limit: Duration::from_secs(12 * 3600),
            level: 3,
        }
    }
}

/// How content gets into archive classes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ArchiveConfig {
    /// When small packs are merged into one of their archive class; `None`: they stay where they read at once.
    pub merge: Option<MergeRule>,
}

impl Default for ArchiveConfig {
    fn default() -> Self {
        Self { merge: Some(MergeRule::default()) }
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LogConfig {
    pub level: LogLevel,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

impl Config {
    /// Reads and validates; all that is wrong comes back in one error.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        Self::parse(&Self::read(path)?, path)
    }

    /// The text of the file, not yet looked at.
    pub fn read(path: &Path) -> Result<String, ConfigError> {
        let read = |source: std::io::Error| match source.kind() {
            std::io::ErrorKind::NotFound => ConfigError::Missing { path: path.into() },
            _ => ConfigError::Read { path: path.into(), source },
        };
        let mut bytes = Vec::new();
        // a device has no length and no end
        File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes)).map_err(read)?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(ConfigError::TooLarge { path: path.into(), limit: MAX_BYTES });
        }
        String::from_utf8(bytes)
            .map_err(|error| ConfigError::NotText { path: path.into(), offset: error.utf8_error().valid_up_to() })
    }

    /// The smallest configuration: one target, these roots, everything else by default.
    pub fn new(repository: String, machine_key: PathBuf, roots: Vec<RootConfig>) -> Self {
        let (exclude, run, archive, limits, log) = Default::default();
        Self { repository, machine_key, roots, exclude, run, archive, limits, log }
    }

    pub fn root(&self, id: &RootId) -> Option<&RootConfig> {
        self.roots.iter().find(|root| root.id == *id)
    }

    /// What holds for one root: the excludes of all, with its own added.
    pub fn excludes_of(&self, root: &RootConfig) -> ExcludeConfig {
        self.exclude.with(&root.exclude)
    }

    /// Roots that cannot be read now. The agent starts nevertheless and waits for them; `init` refuses.
    pub fn root_problems(&self) -> Vec<Problem> {
        self.roots.iter().filter_map(RootConfig::problem).collect()
    }
}

impl RootConfig {
    pub fn new(id: RootId, path: PathBuf) -> Self {
        Self { id, path, tier: Tier::Normal, class: StorageClass::Standard, exclude: ExcludeLayer::default() }
    }

    fn problem(&self) -> Option<Problem> {
        let message = match std::fs::metadata(&self.path) {
            Ok(found) if found.is_dir() => std::fs::read_dir(&self.path).err()?.to_string(),
            Ok(_) => "it is not a directory".to_owned(),
            Err(error) => error.to_string(),
        };
        Some(Problem::new(
            ProblemCode::RootUnavailable,
            self.path.as_os_str().as_encoded_bytes(),
            format!("the root `{}` cannot be read: {message}", self.id),
            format!("mount or create it, or change the path of `{}` in the configuration", self.id),
        ))
    }
}

impl Tier {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Worm => "worm",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        [Self::Normal, Self::Worm].into_iter().find(|tier| tier.as_str() == text)
    }
}

impl LogLevel {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let all = [Self::Error, Self::Warn, Self::Info, Self::Debug, Self::Trace];
        all.into_iter().find(|level| level.as_str() == text)
    }
}
