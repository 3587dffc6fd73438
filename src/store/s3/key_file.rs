//! The file of `credentials=FILE`: keys for a service that has no home directory and no environment.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use zeroize::Zeroizing;

/// What the file holds.
pub(super) struct Keys {
    pub(super) id: String,
    pub(super) secret: Zeroizing<String>,
    pub(super) token: Option<Zeroizing<String>>,
}

/// Never repeats what stands in the file.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeyFileError {
    #[error("cannot read the credentials file {path:?}")]
    Read { path: PathBuf, source: io::Error },
    #[error("{path:?} can be read by others (mode {mode:03o}): chmod 600 it")]
    Exposed { path: PathBuf, mode: u32 },
    #[error("{path:?} belongs to user {owner}, not to the one who runs this or root")]
    Foreign { path: PathBuf, owner: u32 },
    #[error("{path:?} is no regular file")]
    NoFile { path: PathBuf },
    #[error("{path:?} has no section [{profile}]")]
    NoProfile { path: PathBuf, profile: String },
    #[error(
        "{path:?} holds no keys: it needs aws_access_key_id = … and aws_secret_access_key = …, or the id and the secret on a \
         line each"
    )]
    NoKeys { path: PathBuf },
}

/// Two keys and a token are far below this.
const MAX_BYTES: u64 = 64 << 10;

/// Reads the section `profile` (of a file without sections: all of it).
pub(super) fn read(path: &Path, profile: &str) -> Result<Keys, KeyFileError> {
    let failed = |source| KeyFileError::Read { path: path.to_path_buf(), source };
    // a pipe that nobody writes to would be waited for
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| failed(errno.into()))?);
    check_private(path, &file.metadata().map_err(failed)?)?;
    let mut text = Zeroizing::new(String::with_capacity(4096));
    file.take(MAX_BYTES).read_to_string(&mut text).map_err(failed)?;
    parse(path, &text, profile)
}

fn check_private(path: &Path, metadata: &fs::Metadata) -> Result<(), KeyFileError> {
    let (path, mode, owner) = (path.to_path_buf(), metadata.mode() & 0o777, metadata.uid());
    if !metadata.is_file() {
        return Err(KeyFileError::NoFile { path });
    }
    if mode & 0o077 != 0 {
        return Err(KeyFileError::Exposed { path, mode });
    }
    if owner != 0 && owner != rustix::process::geteuid().as_raw() {
        return Err(KeyFileError::Foreign { path, owner });
    }
    Ok(())
}

fn parse(path: &Path, text: &str, profile: &str) -> Result<Keys, KeyFileError> {
    // some editors begin every file so
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| is_content(line)).collect();
    let no_keys = || KeyFileError::NoKeys { path: path.to_path_buf() };
    if let [id, secret] = lines[..]
        && !id.contains(['=', '['])
    {
        return Ok(Keys { id: id.to_owned(), secret: Zeroizing::new(secret.to_owned()), token: None });
    }
    let has_sections = lines.iter().any(|line| section(line).is_some());
    let section = match has_sections {
        false => &lines[..],
        true => lines_of(&lines, profile)
            .ok_or_else(|| KeyFileError::NoProfile { path: path.to_path_buf(), profile: profile.to_owned() })?,
    };
    let value = |key| section.iter().find_map(|line| value_of(line, key));
    Ok(Keys {
        id: value("aws_access_key_id").ok_or_else(no_keys)?.to_owned(),
        secret: Zeroizing::new(value("aws_secret_access_key").ok_or_else(no_keys)?.to_owned()),
        token: value("aws_session_token").map(|token| Zeroizing::new(token.to_owned())),
    })
}

fn is_content(line: &str) -> bool {
    !line.is_empty() && !line.starts_with(['#', ';'])
}

fn section(line: &str) -> Option<&str> {
    let name = line.strip_prefix('[')?.strip_suffix(']')?.trim();
    Some(name.strip_prefix("profile ").map_or(name, str::trim))
}

fn lines_of<'a, 'b>(lines: &'a [&'b str], profile: &str) -> Option<&'a [&'b str]> {
    let start = lines.iter().position(|line| section(line) == Some(profile))? + 1;
    let rest = &lines[start..];
    let end = rest.iter().position(|line| section(line).is_some()).unwrap_or(rest.len());
    Some(&rest[..end])
}

fn value_of<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    let (found, value) = line.split_once('=')?;
    let value = value.trim();
    (found.trim().eq_ignore_ascii_case(key) && !value.is_empty()).then_some(value)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn parsed(text: &str, profile: &str) -> Result<(String, String, Option<String>), KeyFileError> {
        let keys = parse(Path::new("/keys"), text, profile)?;
        Ok((keys.id, keys.secret.to_string(), keys.token.map(|token| token.to_string())))
    }

    #[test]
    fn sections_two_lines_and_bare_pairs_are_understood() {
        let of = |id: &str, secret: &str, token: Option<&str>| (id.into(), secret.into(), token.map(String::from));
        assert_eq!(parsed("AKIA\nse/cr+et=\n", "default").unwrap(), of("AKIA", "se/cr+et=", None));
        let bare = "aws_access_key_id = A\naws_secret_access_key=S=\n";
        assert_eq!(parsed(bare, "default").unwrap(), of("A", "S=", None));
        let many = "# ours\n[default]\naws_access_key_id=A\naws_secret_access_key=B\n\n[profile two]\n\
                    AWS_ACCESS_KEY_ID = C\naws_secret_access_key = D\naws_session_token = T\n";
        assert_eq!(parsed(many, "default").unwrap(), of("A", "B", None));
        assert_eq!(parsed(many, "two").unwrap(), of("C", "D", Some("T")));
        assert!(matches!(parsed(many, "three"), Err(KeyFileError::NoProfile { .. })));
    }

    #[test]
    fn what_holds_no_keys_is_refused_without_repeating_it() {
        for text in
            ["", "hush\n", "[default]\naws_access_key_id = hush\n", "aws_secret_access_key = hush\nx = hush\ny\n"]
        {
            let error = parsed(text, "default").unwrap_err();
            assert!(matches!(error, KeyFileError::NoKeys { .. }) && !error.to_string().contains("hush"), "{error}");
        }
    }

    #[test]
    fn a_mark_that_an_editor_put_before_the_first_key_is_no_part_of_it() {
        let (id, secret, _) = parsed("\u{feff}AKID\nsecret\n", "default").unwrap();
        assert_eq!((&id[..], &secret[..]), ("AKID", "secret"));
        assert!(parsed("\u{feff}[default]\naws_access_key_id = a\naws_secret_access_key = b\n", "default").is_ok());
    }

    #[test]
    fn a_pipe_that_nobody_writes_to_is_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys");
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, Mode::RUSR, 0).unwrap();
        assert!(matches!(read(&path, "default"), Err(KeyFileError::NoFile { .. })));
        assert!(matches!(read(dir.path(), "default"), Err(KeyFileError::NoFile { .. })));
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys");
        fs::write(&path, "AKIA\nsecret\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(read(&path, "default"), Err(KeyFileError::Exposed { mode: 0o640, .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        assert_eq!(read(&path, "default").unwrap_or_else(|error| panic!("{error}")).id, "AKIA");
        assert!(matches!(read(&dir.path().join("none"), "default"), Err(KeyFileError::Read { .. })));
    }
}
