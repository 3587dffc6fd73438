//! Paths as a person types them: also from where that person stands.
//!
//! A relative path is taken as the shell would take it when that leads into a folder of the snapshot; else it stays what it
//! was, and is understood from the only folder of the snapshot (room `repo`). `NAME:PATH` names its folder itself.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::context::variable;
use crate::format::Manifest;

/// The path to ask the snapshot for.
pub(super) fn path(manifest: &Manifest, typed: &OsStr) -> Vec<u8> {
    let roots: Vec<Folder<'_>> =
        manifest.body.roots.iter().map(|root| (root.id.as_str(), root.path.as_slice())).collect();
    from_here(typed.as_bytes(), &roots, &here())
}

/// A folder of the snapshot: its name, and where it was.
type Folder<'a> = (&'a str, &'a [u8]);

/// The current directory: as the shell names it, through links perhaps, and as the kernel does.
fn here() -> Vec<Vec<u8>> {
    let shell = variable("PWD").map(PathBuf::from);
    let kernel = std::env::current_dir().ok();
    let dirs = shell.into_iter().chain(kernel).filter(|dir| dir.is_absolute());
    dirs.map(|dir| dir.into_os_string().as_bytes().to_vec()).collect()
}

fn from_here(typed: &[u8], roots: &[Folder<'_>], here: &[Vec<u8>]) -> Vec<u8> {
    let names = |id: &str| typed.strip_prefix(id.as_bytes()).is_some_and(|rest| rest.starts_with(b":"));
    let is_relative = !typed.is_empty() && !typed.starts_with(b"/") && !roots.iter().any(|(id, _)| names(id));
    let leads_inside = |dir: &Vec<u8>| {
        let absolute = absolute(dir, typed);
        roots.iter().any(|(_, root)| is_within(&absolute, &self::absolute(root, b""))).then_some(absolute)
    };
    let found = if is_relative { here.iter().find_map(leads_inside) } else { None };
    found.unwrap_or_else(|| typed.to_vec())
}

/// `dir/path` without `.` and `..`: as text, for the directories may be gone.
fn absolute(dir: &[u8], path: &[u8]) -> Vec<u8> {
    let mut components: Vec<&[u8]> = Vec::new();
    for component in dir.split(|byte| *byte == b'/').chain(path.split(|byte| *byte == b'/')) {
        match component {
            b"" | b"." => {}
            b".." => {
                components.pop();
            }
            name => components.push(name),
        }
    }
    [b"/", components.join(&b'/').as_slice()].concat()
}

fn is_within(path: &[u8], root: &[u8]) -> bool {
    root == b"/" || path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(typed: &str, roots: &[&str], here: &str) -> String {
        let roots: Vec<Folder<'_>> = roots.iter().map(|root| ("photos", root.as_bytes())).collect();
        String::from_utf8(from_here(typed.as_bytes(), &roots, &[here.as_bytes().to_vec()])).unwrap()
    }

    #[test]
    fn a_relative_path_means_what_it_means_to_the_shell() {
        let roots = ["/home/ann/photos", "/srv"];
        assert_eq!(asked("photos/2019", &roots, "/home/ann"), "/home/ann/photos/2019");
        assert_eq!(asked("2019", &roots, "/home/ann/photos"), "/home/ann/photos/2019");
        assert_eq!(asked("../2020/a", &roots, "/home/ann/photos/2019"), "/home/ann/photos/2020/a");
        assert_eq!(asked(".", &roots, "/home/ann/photos/2019"), "/home/ann/photos/2019");
        assert_eq!(asked("x", &["/"], "/etc"), "/etc/x");
    }

    #[test]
    fn what_names_its_folder_means_the_same_wherever_one_stands() {
        for here in ["/home/ann/photos", "/home/ann", "/"] {
            assert_eq!(asked("photos:2019", &["/home/ann/photos"], here), "photos:2019");
        }
        assert_eq!(asked("photos:2019", &["/"], "/home"), "photos:2019");
        assert_eq!(asked("12:30.txt", &["/home/ann/photos"], "/home/ann/photos"), "/home/ann/photos/12:30.txt");
    }

    #[test]
    fn a_path_that_leads_elsewhere_is_left_to_the_snapshot() {
        let roots = ["/home/ann/photos"];
        assert_eq!(asked("2019", &roots, "/home/ann"), "2019");
        assert_eq!(asked("s", &roots, "/home/ann/photo"), "s");
        assert_eq!(asked("/home/ann/photos/x", &roots, "/"), "/home/ann/photos/x");
        assert_eq!(asked("", &roots, "/home/ann/photos"), "");
    }
}
