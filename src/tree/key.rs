//! Keys of the map: the directory's path and the name in it, ordered by bytes, directory first.

use crate::model::RelPath;

/// (directory, name). The root directory's own entry has both empty.
///
/// All names of a directory stand together; all directories below `d` stand together too, as the range of
/// directories that begin with `d/`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct TreeKey {
    pub dir: Vec<u8>,
    pub name: Vec<u8>,
}

impl TreeKey {
    pub fn new(dir: &RelPath, name: &[u8]) -> Self {
        Self { dir: dir.as_bytes().to_vec(), name: name.to_vec() }
    }

    /// Key of the entry that describes `path` itself.
    pub fn of(path: &RelPath) -> Self {
        let (dir, name) = path.split();
        Self { dir: dir.as_bytes().to_vec(), name: name.to_vec() }
    }

    /// The path that the key describes; `None` for bytes that are no path (damaged or hostile input).
    pub fn path(&self) -> Option<RelPath> {
        let dir = RelPath::parse(&self.dir).ok()?;
        if self.name.is_empty() {
            return dir.is_root().then(RelPath::root);
        }
        RelPath::is_name(&self.name).then(|| dir.join(&self.name))
    }
}
