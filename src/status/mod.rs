//! The one value that describes the agent: what `rozenctl status` prints, what `--json` and the socket carry.
//!
//! What must hold: nothing here sounds better than it is. A recovery point is given only as the engine proved it,
//! doubt about coverage always stands beside it, an ETA exists only where the total is known. The JSON names are
//! an interface (docs/control.md): fields may be added, never renamed; problems carry stable codes.
//!
//! Not here: deciding any of it (room `engine`), carrying it (room `control`), the time (an argument).

mod agent;
mod answer;
mod path_text;
mod render;
mod rfc3339;
mod usage;

pub use agent::{
    Agent, Count, Coverage, Limits, Phase, RootState, RootStatus, RunReason, RunStatus, SnapshotStatus, Status, Target,
};
pub use answer::BackupAnswer;
pub use path_text::PathText;
pub use render::{Viewer, arena_line, bytes, counted, grouped, is_unseen, merge_line, printable, render, span};
pub use usage::{ArenaUsage, KindOfUse, RecentUsage, RequestUsage, RunUsage, StoredUsage, Usage};
