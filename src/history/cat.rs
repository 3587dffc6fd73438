//! One file to a writer.

use std::io::{self, Write};

use super::HistoryError;
use super::entries::entry_at;
use crate::format::Manifest;
use crate::model::EntryKind;
use crate::repo::{ContentError, Contents, Files};

/// Writes the content of the file that `path` names, holes as zeros; gives its length. Each part is checked before it is
/// written, so what was written before an error is right, but not all.
pub fn cat(contents: &Contents, manifest: &Manifest, path: &[u8], out: &mut dyn Write) -> Result<u64, HistoryError> {
    let found = entry_at(contents, manifest, path)?;
    let shown = || String::from_utf8_lossy(&found.shown).into_owned();
    if found.entry.kind != EntryKind::File {
        return Err(HistoryError::NotAFile(shown()));
    }
    let files = Files::new(contents);
    let mut written = 0;
    let given = files.open(&found.entry).map_err(CatError::Content).and_then(|data| {
        files.read(&data, &mut |at, bytes| {
            zeros(out, at - written)?;
            out.write_all(bytes)?;
            written = at + bytes.len() as u64;
            Ok::<_, CatError>(())
        })?;
        Ok(zeros(out, data.size - written)?)
    });
    match given {
        Ok(()) => Ok(found.entry.size),
        Err(CatError::Content(source)) => Err(HistoryError::Content { path: shown(), source }),
        Err(CatError::Output(error)) => Err(HistoryError::Output(error)),
    }
}

enum CatError {
    Content(ContentError),
    Output(io::Error),
}

impl From<ContentError> for CatError {
    fn from(error: ContentError) -> Self {
        CatError::Content(error)
    }
}

impl From<io::Error> for CatError {
    fn from(error: io::Error) -> Self {
        CatError::Output(error)
    }
}

fn zeros(out: &mut dyn Write, count: u64) -> io::Result<()> {
    io::copy(&mut io::Read::take(io::repeat(0), count), out).map(drop)
}
