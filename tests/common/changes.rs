//! Random changes to a tree, as people and programs make them.

use std::collections::HashSet;
use std::fs::{self, FileTimes};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::Noise;

/// More entries than this are thinned out.
const CROWD: usize = 400;

pub struct Changes {
    root: PathBuf,
    /// On the same filesystem: directories are moved there and back.
    outside: PathBuf,
    noise: Noise,
    names: u64,
    /// Inodes that got a further name since [`Changes::settled`]. Nothing is written into them: a name that is made, written
    /// through and removed before anybody looks leaves no trace for who watches directories.
    fresh_links: HashSet<u64>,
}

impl Changes {
    pub fn new(root: &Path, outside: &Path, noise: Noise) -> Self {
        fs::create_dir_all(outside).unwrap();
        Self { root: root.to_path_buf(), outside: outside.to_path_buf(), noise, names: 0, fresh_links: HashSet::new() }
    }

    pub fn noise(&mut self) -> &mut Noise {
        &mut self.noise
    }

    /// All that was done is in a snapshot.
    pub fn settled(&mut self) {
        self.fresh_links.clear();
    }

    /// One change; where the tree has nothing to change, a new file.
    pub fn one(&mut self) {
        let result = match self.noise.below(16) {
            0..=2 => self.create(),
            3 | 4 => self.edit(),
            5 => self.replace(),
            6 => self.rename_file(),
            7 | 8 => self.delete_file(),
            9 => self.make_dirs(),
            10 => self.move_dir(),
            11 => self.move_out_or_in(),
            12 => self.remove_dir(),
            13 => self.link(),
            14 => self.metadata(),
            _ => self.edit_behind_the_clock(),
        };
        result.unwrap();
    }

    fn create(&mut self) -> io::Result<()> {
        if self.count() > CROWD {
            return self.remove_dir();
        }
        let (path, content) = (self.new_path(), self.content());
        fs::write(path, content)
    }

    fn edit(&mut self) -> io::Result<()> {
        let Some(path) = self.writable() else { return self.create() };
        let content = self.content();
        let file = fs::File::options().write(true).open(path)?;
        let len = file.metadata()?.len();
        match self.noise.below(3) {
            0 => file.write_all_at(&content, len),
            1 => file.set_len(self.noise.below(len + 10)),
            _ => file.write_all_at(&content, self.noise.below(len + 1)),
        }
    }

    /// As editors do it.
    fn replace(&mut self) -> io::Result<()> {
        let Some(path) = self.file() else { return self.create() };
        let temporary = path.with_extension("new~");
        fs::write(&temporary, self.content())?;
        fs::rename(temporary, path)
    }

    fn rename_file(&mut self) -> io::Result<()> {
        let Some(path) = self.file() else { return self.create() };
        fs::rename(path, self.new_path())
    }

    fn delete_file(&mut self) -> io::Result<()> {
        let Some(path) = self.file() else { return self.create() };
        fs::remove_file(path)
    }

    /// The race of every watcher: files are there before anybody can watch the directory.
    fn make_dirs(&mut self) -> io::Result<()> {
        let mut dir = self.new_path();
        for level in 0..=self.noise.below(4) {
            fs::create_dir(&dir)?;
            for file in 0..self.noise.below(4) {
                fs::write(dir.join(format!("file {file}")), self.content())?;
            }
            dir = dir.join(format!("level {level}"));
        }
        Ok(())
    }

    fn move_dir(&mut self) -> io::Result<()> {
        let (from, to) = (self.dir(), self.new_path());
        if from == self.root || to.starts_with(&from) {
            return self.make_dirs();
        }
        fs::rename(from, to)
    }

    fn move_out_or_in(&mut self) -> io::Result<()> {
        let out: Vec<PathBuf> = children(&self.outside);
        let dir = self.dir();
        match self.noise.pick(&out).cloned() {
            Some(back) if self.noise.below(2) == 0 || dir == self.root => fs::rename(back, self.new_path()),
            _ if dir == self.root => self.make_dirs(),
            _ => {
                let name = self.new_name();
                // changes while it is away must be found when it is back
                fs::rename(dir, self.outside.join(&name))?;
                let changed = self.outside.join(name).join("changed outside");
                // a further name of it may be inside: what is written through one outside no watcher can see
                let _ = fs::remove_file(&changed);
                fs::write(changed, self.content())
            }
        }
    }

    fn remove_dir(&mut self) -> io::Result<()> {
        let dir = self.dir();
        if dir == self.root { self.delete_file() } else { fs::remove_dir_all(dir) }
    }

    fn link(&mut self) -> io::Result<()> {
        let to = self.new_path();
        match self.file() {
            Some(file) if self.noise.below(2) == 0 => {
                self.fresh_links.insert(fs::symlink_metadata(&file)?.ino());
                fs::hard_link(file, to)
            }
            _ => std::os::unix::fs::symlink(format!("../{}", self.noise.below(1000)), to),
        }
    }

    fn metadata(&mut self) -> io::Result<()> {
        let path = if self.noise.below(2) == 0 { self.writable().unwrap_or_else(|| self.dir()) } else { self.dir() };
        if self.noise.below(2) == 0 {
            return fs::set_permissions(path, fs::Permissions::from_mode(0o700 + self.noise.below(64) as u32));
        }
        let value = self.noise.next().to_string();
        Ok(rustix::fs::setxattr(path, "user.changed", value.as_bytes(), rustix::fs::XattrFlags::empty())?)
    }

    /// Same size, same modification time: only the change time tells.
    fn edit_behind_the_clock(&mut self) -> io::Result<()> {
        let Some(path) = self.writable() else { return self.create() };
        let file = fs::File::options().write(true).open(path)?;
        let found = file.metadata()?;
        let content = self.noise.bytes(found.len().min(50) as usize);
        file.write_all_at(&content, 0)?;
        file.set_times(FileTimes::new().set_modified(found.modified()?))
    }

    /// Mostly small, at times of several chunks.
    fn content(&mut self) -> Vec<u8> {
        let len = match self.noise.below(40) {
            0 => self.noise.below(3 << 20),
            1..=3 => self.noise.below(200_000),
            _ => self.noise.below(3000),
        };
        self.noise.bytes(len as usize)
    }

    fn new_name(&mut self) -> String {
        self.names += 1;
        format!("{} {}", ["note", "Bild", "ünï", "x\n"][self.noise.below(4) as usize], self.names)
    }

    fn new_path(&mut self) -> PathBuf {
        let dir = self.dir();
        dir.join(self.new_name())
    }

    /// A random directory of the tree; the root often.
    fn dir(&mut self) -> PathBuf {
        let mut dir = self.root.clone();
        while self.noise.below(3) > 0 {
            let below: Vec<_> = children(&dir).into_iter().filter(|path| is_dir(path)).collect();
            match self.noise.pick(&below) {
                Some(below) => dir.clone_from(below),
                None => break,
            }
        }
        dir
    }

    fn file(&mut self) -> Option<PathBuf> {
        let dir = self.dir();
        let is_file = |path: &PathBuf| fs::symlink_metadata(path).unwrap().is_file() && !path.ends_with("marker");
        let files: Vec<_> = children(&dir).into_iter().filter(is_file).collect();
        self.noise.pick(&files).cloned()
    }

    fn writable(&mut self) -> Option<PathBuf> {
        self.file().filter(|path| !self.fresh_links.contains(&fs::symlink_metadata(path).unwrap().ino()))
    }

    fn count(&self) -> usize {
        let mut open = vec![self.root.clone()];
        let mut count = 0;
        while let Some(dir) = open.pop() {
            let below = children(&dir);
            count += below.len();
            open.extend(below.into_iter().filter(|path| is_dir(path)));
        }
        count
    }
}

/// Sorted, so that a seed repeats.
fn children(dir: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn is_dir(path: &Path) -> bool {
    fs::symlink_metadata(path).unwrap().is_dir()
}
