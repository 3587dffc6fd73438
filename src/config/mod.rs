//! The configuration: TOML in, validated settings out, and where files are by default.
//!
//! What must hold: every key that the parser takes stands in docs/config.md with its default (a test reads both);
//! an unknown key, a wrong type or an impossible value is an error that names the line, the key and what was
//! expected, all of them at once; nothing is ever silently ignored. What was parsed here needs no second check.
//!
//! A root that does not exist is not an error but a [`Problem`](crate::model::Problem): the agent must start while
//! a disk is unplugged. [`exclude`] decides on paths alone and never opens a file.
//!
//! Not here: what a repository URL means (room `store`), reading keys (room `crypto`), walking (room `scan`).

mod edit;
mod error;
pub mod exclude;
mod limits;
mod parse;
mod places;
mod section;
mod settings;
mod units;
mod write;

pub use error::{ConfigError, Fault, FaultKind};
pub use exclude::{ExcludeConfig, ExcludeLayer};
pub use limits::{LimitWindow, LimitsConfig, Rate};
pub use places::{Environment, Overrides, Places, PlacesError};
pub use settings::{ArchiveConfig, Config, LogConfig, LogLevel, RootConfig, RunConfig, Tier};
pub use units::{Size, format_duration, parse_duration};

#[cfg(test)]
mod tests;
