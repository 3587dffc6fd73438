//! The directory of local copies of small packs that wait to be merged.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::spool::remove_unknown;
use super::{PackError, Spool};
use crate::crypto;
use crate::model::ObjectHash;

/// Names as in the spool: `<hash>.pack`.
#[derive(Clone, Debug)]
pub struct Arena {
    dir: PathBuf,
}

impl Arena {
    /// Makes the directory where it is missing. It must be on the filesystem of the spool.
    pub fn open(dir: &Path) -> Result<Self, PackError> {
        fs::create_dir_all(dir).map_err(PackError::io("create the arena", dir))?;
        Ok(Self { dir: dir.to_path_buf() })
    }

    pub fn path_of(&self, hash: &ObjectHash) -> PathBuf {
        self.dir.join(format!("{hash}.pack"))
    }

    /// Gives a pack of the spool a second name, which stays when it leaves the spool: no byte is copied. Nothing is fsynced:
    /// what a power cut takes is found missing when it is read.
    pub fn keep(&self, spool: &Spool, hash: &ObjectHash) -> Result<(), PackError> {
        let to = self.path_of(hash);
        match fs::hard_link(spool.path_of(hash), &to) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(PackError::io("keep a copy of a pack as", &to)(error))
            }
            _ => Ok(()),
        }
    }

    /// All bytes of a copy, `size` of them; `None` where they are lost or not those of the hash.
    pub fn read(&self, hash: &ObjectHash, size: u64) -> Result<Option<Vec<u8>>, PackError> {
        let path = self.path_of(hash);
        let bytes = match fs::metadata(&path) {
            // a file of another length is not read into memory
            Ok(found) if found.len() != size => return Ok(None),
            Ok(_) => fs::read(&path),
            Err(error) => Err(error),
        };
        match bytes {
            Ok(bytes) => Ok((crypto::hash(&bytes) == *hash).then_some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(PackError::io("read the copy of a pack", &path)(error)),
        }
    }

    /// Removes the copies of all other packs.
    pub fn keep_only(&self, known: impl Fn(&ObjectHash) -> bool) -> Result<u64, PackError> {
        remove_unknown(&self.dir, known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_outlives_the_spool_and_is_given_only_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(&dir.path().join("spool")).unwrap();
        let arena = Arena::open(&dir.path().join("arena")).unwrap();
        let (hash, other) = (crypto::hash(b"content"), crypto::hash(b"other"));
        fs::write(spool.path_of(&hash), "content").unwrap();
        arena.keep(&spool, &hash).unwrap();
        arena.keep(&spool, &hash).unwrap();
        fs::remove_file(spool.path_of(&hash)).unwrap();
        assert_eq!(arena.read(&hash, 7).unwrap().unwrap(), b"content");
        assert_eq!(arena.read(&other, 5).unwrap(), None);
        fs::write(arena.path_of(&hash), "Content").unwrap();
        assert_eq!(arena.read(&hash, 7).unwrap(), None);
        fs::write(arena.path_of(&hash), "longer content").unwrap();
        assert_eq!(arena.read(&hash, 7).unwrap(), None);
        arena.keep(&spool, &other).unwrap_err();
        assert_eq!(arena.keep_only(|known| *known == other).unwrap(), 1);
        assert_eq!(fs::read_dir(dir.path().join("arena")).unwrap().count(), 0);
    }
}
