//! What can go wrong with a freeze as a whole. What concerns one subvolume is a problem in the frozen view.

use std::io;
use std::path::PathBuf;

use super::name::FreezeName;

#[derive(Debug, thiserror::Error)]
pub enum FreezeError {
    #[error("could not open the root {}", path.display())]
    Root {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("could not read the mount table")]
    Mounts {
        #[source]
        source: io::Error,
    },
    #[error("could not open the top of the btrfs filesystem on {device}")]
    Top {
        device: String,
        #[source]
        source: io::Error,
    },
    #[error("could not find {} from the top of its btrfs filesystem", path.display())]
    Locate {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("could not prepare the directory for freezes, .rozen-freeze at the top of the filesystem")]
    Directory {
        #[source]
        source: io::Error,
    },
    #[error("could not list the subvolumes")]
    Subvolumes {
        #[source]
        source: io::Error,
    },
    #[error("could not open {}, a mount or nested subvolume below the root", path.display())]
    Below {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("could not freeze as {name}")]
    Create {
        name: FreezeName,
        #[source]
        source: io::Error,
    },
    #[error("could not open the frozen view {name}")]
    Open {
        name: FreezeName,
        #[source]
        source: io::Error,
    },
    #[error("could not remove the freeze {name}")]
    Remove {
        name: FreezeName,
        #[source]
        source: io::Error,
    },
}
