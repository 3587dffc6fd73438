//! From a path as a person writes it to a place in a snapshot.

use crate::format::{Manifest, ManifestRoot};
use crate::model::{PathError, RelPath};

/// A path inside one root of a snapshot.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Place {
    /// Position of the root in the manifest.
    pub root: usize,
    pub path: RelPath,
}

/// A path that names nothing that a snapshot could hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathQueryError {
    #[error("{path:?} is in none of the folders of this snapshot ({roots})")]
    Outside { path: String, roots: String },
    #[error("{path:?} may be in any of the folders {roots}: write it as NAME:PATH or as an absolute path")]
    WhichRoot { path: String, roots: String },
    #[error(transparent)]
    Path(#[from] PathError),
}

/// Understands an absolute path as it was on the machine, `NAME:PATH` with the id of a root, and a path relative to the
/// only root. Several places where roots lie inside each other: the innermost first.
pub fn places_of(manifest: &Manifest, path: &[u8]) -> Result<Vec<Place>, PathQueryError> {
    let roots = &manifest.body.roots;
    let shown = || String::from_utf8_lossy(path).into_owned();
    if path.starts_with(b"/") {
        let components = RelPath::parse(&plain(path))?;
        let mut found: Vec<Place> = roots
            .iter()
            .enumerate()
            .filter_map(|(at, root)| Some(Place { root: at, path: below(&components, &root.path)? }))
            .collect();
        found.sort_by_key(|place| place.path.as_bytes().len());
        return match found.is_empty() {
            true => Err(PathQueryError::Outside { path: shown(), roots: names(roots) }),
            false => Ok(found),
        };
    }
    if let Some((root, rest)) = with_root_id(roots, path) {
        return Ok(vec![Place { root, path: RelPath::parse(&plain(rest))? }]);
    }
    match roots.len() {
        1 => Ok(vec![Place { root: 0, path: RelPath::parse(&plain(path))? }]),
        _ => Err(PathQueryError::WhichRoot { path: shown(), roots: names(roots) }),
    }
}

fn with_root_id<'p>(roots: &[ManifestRoot], path: &'p [u8]) -> Option<(usize, &'p [u8])> {
    let colon = path.iter().position(|b| *b == b':')?;
    let root = roots.iter().position(|root| root.id.as_bytes() == &path[..colon])?;
    Some((root, &path[colon + 1..]))
}

/// What shells and habits add: slashes at either end or doubled, and `.` components.
fn plain(path: &[u8]) -> Vec<u8> {
    let components: Vec<&[u8]> = path.split(|b| *b == b'/').filter(|c| !c.is_empty() && *c != b".").collect();
    components.join(&b'/')
}

fn below(path: &RelPath, root: &[u8]) -> Option<RelPath> {
    let root = RelPath::parse(&plain(root)).ok()?;
    path.is_within(&root).then(|| {
        let rest = &path.as_bytes()[root.as_bytes().len()..];
        RelPath::parse(rest.strip_prefix(b"/").unwrap_or(rest)).expect("the end of a path, cut at a slash, is a path")
    })
}

fn names(roots: &[ManifestRoot]) -> String {
    let names: Vec<String> =
        roots.iter().map(|root| format!("{}: {}", root.id, String::from_utf8_lossy(&root.path))).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::testing::manifest_of;

    fn found(roots: &[(&str, &str)], path: &str) -> Result<Vec<(usize, String)>, PathQueryError> {
        let places = places_of(&manifest_of(roots), path.as_bytes())?;
        Ok(places.into_iter().map(|p| (p.root, String::from_utf8(p.path.as_bytes().to_vec()).unwrap())).collect())
    }

    #[test]
    fn a_path_is_found_as_people_write_it() {
        let one = [("home", "/home/u")];
        for (text, path) in [
            ("/home/u/a/b", "a/b"),
            ("/home//u/./a/", "a"),
            ("home:a", "a"),
            ("a/b", "a/b"),
            (".", ""),
            ("/home/u", ""),
        ] {
            assert_eq!(found(&one, text), Ok(vec![(0, path.to_owned())]), "{text}");
        }
        assert!(matches!(found(&one, "/home/user"), Err(PathQueryError::Outside { .. })));
        assert!(matches!(found(&one, "/home/u/../x"), Err(PathQueryError::Path(_))));
    }

    #[test]
    fn with_several_roots_the_innermost_comes_first_and_a_bare_path_is_refused() {
        let two = [("all", "/"), ("home", "/home")];
        assert_eq!(found(&two, "/home/u"), Ok(vec![(1, "u".into()), (0, "home/u".into())]));
        assert!(matches!(found(&two, "u"), Err(PathQueryError::WhichRoot { .. })));
    }
}
