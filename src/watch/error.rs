//! What can go wrong with the watcher as a whole; what goes wrong with one directory is a gap in the coverage.

use std::io;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    #[error(
        "could not get an inotify instance (the number for each user is limited by the sysctl \
         fs.inotify.max_user_instances)"
    )]
    Instance {
        #[source]
        source: io::Error,
    },
    #[error("could not watch the directory for cookie files {}", path.display())]
    CookieDir {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("could not create the cookie file {}", path.display())]
    Cookie {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("could not start the thread of the watcher")]
    Thread {
        #[source]
        source: io::Error,
    },
    #[error("could not read events from inotify")]
    Read {
        #[source]
        source: io::Error,
    },
    #[error("the watcher has stopped")]
    Stopped,
}
