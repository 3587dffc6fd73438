//! Names of this program in the trees that it backs up.

/// What begins so is ours: sync points of the watcher, freezes. Gives no hints and is not stored. The watcher and the
/// scan must agree, or something is stored whose changes nobody reports.
const OWN_PREFIXES: [&[u8]; 2] = [b".rozen-cookie-", b".rozen-freeze"];

/// Is this name of a file or directory one of ours?
pub fn is_own_name(name: &[u8]) -> bool {
    OWN_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}
