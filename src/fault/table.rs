//! The lists of all fault points, in the order in which a backup meets them.

/// Name and what is true when the process dies there.
pub const POINTS: &[(&str, &str)] = &[
    ("journal.before-commit", "a transaction is complete but not committed: nothing of it may be seen later"),
    ("journal.after-commit", "a transaction is committed: all of it must be seen later"),
    ("store.temp-created", "a temporary file exists in the target, empty"),
    ("store.temp-half", "a temporary file exists in the target with a part of its bytes"),
    ("store.temp-synced", "the temporary file is complete and fsynced, the object's name does not exist"),
    ("store.linked", "the object has its name; the directory is not fsynced, the temporary name still exists"),
    ("store.placed", "the object is durable; a temporary name may still exist"),
    ("upload.stored", "the target holds the object, the journal does not know it yet"),
    ("upload.recorded", "the journal knows that the object is durable, the spool file still exists"),
    ("freeze.announced", "the journal knows the names of the freezes, none exists"),
    ("freeze.made", "the freezes exist, the journal knows them as intended only"),
    ("backup.pack-spooled", "a pack is complete in the spool, the journal does not know it yet"),
    ("backup.staged", "entries are staged in the journal"),
    ("index.written", "an index object is durable, the journal does not know it yet"),
    ("backup.manifest-announced", "the journal knows the manifest's hash, the manifest does not exist"),
    ("backup.manifest-written", "the snapshot exists, the journal does not know it yet"),
];

/// Those that are met only where large packs go by parts.
pub const POINTS_OF_PARTS: &[(&str, &str)] = &[
    ("upload.announced", "the journal knows that an upload is wanted, the target was not asked yet"),
    ("upload.created", "the target has begun an upload, the journal does not know its id yet"),
    ("upload.part", "the target holds a part, the journal has no receipt of it yet"),
    (
        "upload.completing",
        "all parts have receipts and the journal says so, the target was not asked for the object yet",
    ),
    ("upload.completed", "the target has made the object of its parts, the journal does not know it yet"),
];

/// Those that are met only where small packs of an archive class wait to be merged.
pub const POINTS_OF_ARENA: &[(&str, &str)] = &[
    ("arena.linked", "a copy of a small pack is in the arena, the journal knows the pack but not the copy"),
    ("arena.spooled", "a merged pack is complete in the spool, the journal does not know it yet"),
    (
        "arena.indexed",
        "a merged pack is in the target and indexed, what it was made of does not count as superseded yet",
    ),
    ("arena.settled", "what was merged counts as superseded, the copies are still there"),
];
