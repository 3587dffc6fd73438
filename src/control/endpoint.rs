//! The socket in the file system: claimed by one agent at a time.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::ControlError;

/// The runtime directory, which holds the socket and its lock.
#[derive(Clone, Debug)]
pub struct Endpoint {
    dir: PathBuf,
}

/// The right to serve; ends with the process at the latest.
pub(super) struct Claim {
    pub(super) listener: UnixListener,
    socket: PathBuf,
    _lock: File,
}

impl Endpoint {
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    pub fn socket(&self) -> PathBuf {
        self.dir.join("rozend.sock")
    }

    fn lock(&self) -> PathBuf {
        self.dir.join("rozend.lock")
    }

    /// Locks first: only who holds the lock may remove a socket that is in the way, so none that is alive is removed.
    pub(super) fn claim(&self) -> Result<Claim, ControlError> {
        let uid = rustix::process::geteuid();
        self.make_dir(uid.is_root(), uid.as_raw())?;
        let lock = self.take_lock()?;
        let socket = self.socket();
        match std::fs::remove_file(&socket) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(failed("remove the old socket", &socket)(e)),
            _ => {}
        }
        let listener = UnixListener::bind(&socket).map_err(|e| match e.kind() {
            io::ErrorKind::InvalidInput => ControlError::PathTooLong { socket: socket.clone() },
            _ => failed("make the socket", &socket)(e),
        })?;
        // everybody may connect to the system's agent; what they may do follows from who they are
        let mode = if uid.is_root() { 0o666 } else { 0o600 };
        std::fs::set_permissions(&socket, Permissions::from_mode(mode)).map_err(failed("protect", &socket))?;
        listener.set_nonblocking(true).map_err(failed("listen at", &socket))?;
        Ok(Claim { listener, socket, _lock: lock })
    }

    /// Somebody else's directory could hold traps and could be taken away.
    fn make_dir(&self, is_root: bool, uid: u32) -> Result<(), ControlError> {
        let mode = if is_root { 0o755 } else { 0o700 };
        DirBuilder::new()
            .recursive(true)
            .mode(mode)
            .create(&self.dir)
            .map_err(failed("make the directory", &self.dir))?;
        let owner = std::fs::metadata(&self.dir).map_err(failed("look at", &self.dir))?.uid();
        match owner == uid {
            true => Ok(()),
            false => Err(ControlError::ForeignDirectory { dir: self.dir.clone() }),
        }
    }

    fn take_lock(&self) -> Result<File, ControlError> {
        let path = self.lock();
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        options.custom_flags(libc::O_NOFOLLOW);
        let mut file = options.open(&path).map_err(failed("open", &path))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(ControlError::InUse { pid: read_pid(&mut file), lock: path }),
            Err(e) => return Err(failed("lock", &path)(e.into())),
        }
        write_pid(&mut file).map_err(failed("write", &path))?;
        Ok(file)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // while the lock is held, so it is ours; left behind, it only costs the next agent a removal
        let _ = std::fs::remove_file(&self.socket);
    }
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(20).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn write_pid(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ControlError {
    let path = path.to_owned();
    move |source| ControlError::Io { doing, path, source }
}
