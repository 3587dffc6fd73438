//! Names of this program in the trees that it backs up.

/// What begins so is ours: sync points of the watcher, freezes. Gives no hints and is not stored. The watcher and the
/// scan must agree, or something is stored whose changes nobody reports.
const OWN_PREFIXES: [&[u8]; 2] = [b".rozen-cookie-", b".rozen-freeze"];

/// Then 32 hexadecimal digits: what a restore has not finished yet and puts under its real name when it is whole.
const STAGE_PREFIX: &str = ".rozen-restore-";
const STAGE_DIGITS: usize = 32;

/// Is this name of a file or directory one of ours?
pub fn is_own_name(name: &[u8]) -> bool {
    OWN_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) || is_stage_name(name)
}

/// Exactly the names that [`stage_name`] gives.
pub fn is_stage_name(name: &[u8]) -> bool {
    let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let digits = name.strip_prefix(STAGE_PREFIX.as_bytes());
    digits.is_some_and(|digits| digits.len() == STAGE_DIGITS && digits.iter().all(is_digit))
}

/// `hex`: at least 32 digits.
pub fn stage_name(hex: &str) -> Vec<u8> {
    format!("{STAGE_PREFIX}{}", &hex[..STAGE_DIGITS]).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_is_one_of_our_names_and_what_only_begins_so_is_not() {
        let stage = stage_name("0123456789abcdef0123456789abcdef and more");
        assert!(is_stage_name(&stage) && is_own_name(&stage));
        let longer = [stage.as_slice(), b"0"].concat();
        let other = stage.iter().map(u8::to_ascii_uppercase).collect::<Vec<_>>();
        for theirs in [&stage[..stage.len() - 1], &longer, &other, b".rozen-restore-notes", b".rozen-restore-"] {
            assert!(!is_own_name(theirs), "{}", String::from_utf8_lossy(theirs));
        }
    }
}
