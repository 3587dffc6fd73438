//! Paths inside a root: bytes, relative, without `.`, `..`, empty components and NUL.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A path relative to its root, as the bytes that the filesystem gave; empty means the root itself.
///
/// Components are separated by one `/`; none is empty, `.`, `..` or holds NUL. The length is not bounded by PATH_MAX.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct RelPath(Vec<u8>);

/// Bytes that are no relative path inside a root.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path:?} is not a path inside a root: {reason}")]
pub struct PathError {
    pub path: String,
    pub reason: &'static str,
}

impl RelPath {
    pub fn root() -> Self {
        Self::default()
    }

    /// Takes bytes from outside: checks every component.
    pub fn parse(bytes: &[u8]) -> Result<Self, PathError> {
        let fail = |reason| Err(PathError { path: String::from_utf8_lossy(bytes).into_owned(), reason });
        if bytes.is_empty() {
            return Ok(Self::root());
        }
        for component in bytes.split(|b| *b == b'/') {
            match component {
                b"" => return fail("it has an empty component or starts or ends with a slash"),
                b"." | b".." => return fail("it has a component `.` or `..`"),
                c if c.contains(&0) => return fail("it holds a NUL byte"),
                _ => {}
            }
        }
        Ok(Self(bytes.to_vec()))
    }

    /// `name` must be one valid component: as the kernel lists them, or checked by [`RelPath::is_name`].
    pub fn join(&self, name: &[u8]) -> Self {
        debug_assert!(Self::is_name(name));
        let mut path = Vec::with_capacity(self.0.len() + 1 + name.len());
        path.extend_from_slice(&self.0);
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        Self(path)
    }

    /// One component that a directory may hold.
    pub fn is_name(name: &[u8]) -> bool {
        !name.is_empty() && name != b"." && name != b".." && !name.contains(&b'/') && !name.contains(&0)
    }

    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub fn components(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.0.split(|b| *b == b'/').filter(|c| !c.is_empty())
    }

    /// The directory that holds it and its name there; the root itself is `("", "")`.
    pub fn split(&self) -> (RelPath, &[u8]) {
        match self.0.iter().rposition(|b| *b == b'/') {
            Some(at) => (Self(self.0[..at].to_vec()), &self.0[at + 1..]),
            None => (Self::root(), &self.0),
        }
    }

    pub fn parent(&self) -> Option<RelPath> {
        (!self.is_root()).then(|| self.split().0)
    }

    pub fn name(&self) -> &[u8] {
        self.split_name()
    }

    fn split_name(&self) -> &[u8] {
        self.0.rsplit(|b| *b == b'/').next().unwrap_or(&self.0)
    }

    /// Is it `ancestor` or below it?
    pub fn is_within(&self, ancestor: &RelPath) -> bool {
        ancestor.is_root()
            || self.0.starts_with(&ancestor.0) && (self.0.len() == ancestor.0.len() || self.0[ancestor.0.len()] == b'/')
    }

    pub fn as_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.0))
    }

    /// Under a root's own path, for people and for logs.
    pub fn under(&self, root: &Path) -> std::path::PathBuf {
        if self.is_root() { root.to_path_buf() } else { root.join(self.as_path()) }
    }
}

impl fmt::Debug for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_components_are_taken() {
        for good in ["", "a", "a/b", "...", "a/ ", "\u{1}"] {
            assert!(RelPath::parse(good.as_bytes()).is_ok(), "{good:?}");
        }
        for bad in ["/", "/a", "a/", "a//b", ".", "a/..", "../a", "a/./b", "a\0b"] {
            assert!(RelPath::parse(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn splitting_and_joining_are_inverse() {
        for text in ["a", "a/b", "a/b/c"] {
            let path = RelPath::parse(text.as_bytes()).unwrap();
            let (parent, name) = path.split();
            assert_eq!(parent.join(name), path);
            assert_eq!(path.parent(), Some(parent));
        }
        assert_eq!(RelPath::root().parent(), None);
    }

    #[test]
    fn within_looks_at_whole_components() {
        let p = |t: &str| RelPath::parse(t.as_bytes()).unwrap();
        assert!(p("a/b").is_within(&p("a")) && p("a").is_within(&p("a")) && p("a").is_within(&p("")));
        assert!(!p("ab").is_within(&p("a")) && !p("a").is_within(&p("a/b")));
    }
}
