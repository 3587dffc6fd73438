//! The rules that hold in the directories on the way to a target.
//!
//! Targets come in order, so that one directory above many of them is listed once and not for each. Its rules are as old as the first look
//! at it in this scan; when they change in the middle of it, its own comparison or the next scan says so.

use super::rules;
use crate::config::exclude::Rules;
use crate::model::RelPath;
use crate::source::{Dir, SourceError};

/// From the root down to the last directory that was listed. Memory: one path and its rules for each level.
#[derive(Default)]
pub(super) struct Way {
    levels: Vec<Level>,
}

struct Level {
    dir: RelPath,
    inode: (u64, u64),
    inside: Rules,
}

impl Way {
    /// The rules inside `dir`, where `rules` hold. To be asked from the root down.
    pub(super) fn inside(&mut self, rules: &Rules, dir: &Dir) -> Result<Rules, SourceError> {
        let depth = dir.path().components().count();
        let stat = dir.stat_self()?;
        let inode = (stat.dev, stat.ino);
        if let Some(level) = self.levels.get(depth).filter(|level| level.dir == *dir.path() && level.inode == inode) {
            return Ok(level.inside.clone());
        }
        self.levels.truncate(depth);
        let inside = rules::inside(rules, dir, &dir.list()?).rules;
        self.levels.push(Level { dir: dir.path().clone(), inode, inside: inside.clone() });
        Ok(inside)
    }
}
