//! Paths as a person types them: also from where that person stands.
//!
//! A relative path is taken as the shell would take it when that leads into a folder of the snapshot; else it stays what it
//! was, and is understood from the only folder of the snapshot (room `repo`).

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::context::variable;
use crate::format::Manifest;

/// The path to ask the snapshot for.
pub(super) fn path(manifest: &Manifest, typed: &OsStr) -> Vec<u8> {
    let roots: Vec<&[u8]> = manifest.body.roots.iter().map(|root| root.path.as_slice()).collect();
    from_here(typed.as_bytes(), &roots, &here())
}

/// The current directory: as the shell names it, through links perhaps, and as the kernel does.
fn here() -> Vec<Vec<u8>> {
    let shell = variable("PWD").map(PathBuf::from);
    let kernel = std::env::current_dir().ok();
    let dirs = shell.into_iter().chain(kernel).filter(|dir| dir.is_absolute());
    dirs.map(|dir| dir.into_os_string().as_bytes().to_vec()).collect()
}

fn from_here(typed: &[u8], roots: &[&[u8]], here: &[Vec<u8>]) -> Vec<u8> {
    let is_relative = !typed.is_empty() && !typed.starts_with(b"/");
    let leads_inside = |dir: &Vec<u8>| {
        let absolute = absolute(dir, typed);
        roots.iter().any(|root| is_within(&absolute, &self::absolute(root, b""))).then_some(absolute)
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
        let roots: Vec<&[u8]> = roots.iter().map(|root| root.as_bytes()).collect();
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
    fn a_path_that_leads_elsewhere_is_left_to_the_snapshot() {
        let roots = ["/home/ann/photos"];
        assert_eq!(asked("2019", &roots, "/home/ann"), "2019");
        assert_eq!(asked("photos:2019", &roots, "/home/ann"), "photos:2019");
        assert_eq!(asked("s", &roots, "/home/ann/photo"), "s");
        assert_eq!(asked("/home/ann/photos/x", &roots, "/"), "/home/ann/photos/x");
        assert_eq!(asked("", &roots, "/home/ann/photos"), "");
    }
}
