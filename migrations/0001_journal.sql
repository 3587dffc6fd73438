-- The journal, version 1. Rules for all versions: a migration is never edited after a release; a later one follows.
-- Ids are raw bytes, paths are bytes, times are milliseconds since 1970 UTC.

-- One row of facts about this machine's state.
CREATE TABLE machine (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    -- the repository that all rows here speak of; set once
    repo BLOB CHECK (length(repo) = 16),
    -- what is added to `hints` now belongs to this epoch; a cut ends it and begins the next
    epoch INTEGER NOT NULL DEFAULT 1,
    -- the last committed snapshot
    head_seq INTEGER,
    head_hash BLOB CHECK (length(head_hash) = 32),
    CHECK ((head_seq IS NULL) = (head_hash IS NULL))
) STRICT;
INSERT INTO machine (only) VALUES (1);

-- Small facts of other rooms: boot id, cursor of a watcher.
CREATE TABLE facts (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE roots (
    key INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    path BLOB NOT NULL,
    tree BLOB CHECK (length(tree) = 32),
    -- which filesystem and directory it was, so that an unmounted root is not taken for an empty one
    identity TEXT,
    recovery_point_ms INTEGER,
    last_audit_ms INTEGER,
    -- an audit is wanted because of `audit_reason`, asked for last in `audit_epoch`
    audit_reason TEXT,
    audit_since_ms INTEGER,
    audit_epoch INTEGER,
    CHECK ((audit_reason IS NULL) = (audit_since_ms IS NULL)),
    CHECK ((audit_reason IS NULL) = (audit_epoch IS NULL))
) STRICT;

-- "This directory may have changed." One row for a directory and epoch; a touch after a cut is a row of its own.
CREATE TABLE hints (
    root INTEGER NOT NULL REFERENCES roots (key) ON DELETE CASCADE,
    dir BLOB NOT NULL,
    epoch INTEGER NOT NULL,
    recursive INTEGER NOT NULL,
    -- separated by NUL; empty: any name
    names BLOB NOT NULL,
    reason TEXT NOT NULL,
    first_ms INTEGER NOT NULL,
    PRIMARY KEY (root, dir, epoch)
) STRICT, WITHOUT ROWID;

CREATE TABLE runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    cut INTEGER NOT NULL,
    state TEXT NOT NULL
        CHECK (state IN ('cut', 'frozen', 'scanning', 'uploading', 'committing', 'done', 'failed')),
    started_ms INTEGER NOT NULL,
    ended_ms INTEGER,
    -- of the manifest that is being committed, or was
    seq INTEGER,
    manifest BLOB CHECK (length(manifest) = 32),
    message TEXT,
    CHECK ((ended_ms IS NULL) = (state NOT IN ('done', 'failed')))
) STRICT;

CREATE TABLE run_roots (
    run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    root INTEGER NOT NULL REFERENCES roots (key) ON DELETE CASCADE,
    PRIMARY KEY (run, root)
) STRICT, WITHOUT ROWID;

-- Filesystem freezes that exist or may exist: the row comes before the act.
CREATE TABLE freezes (
    name TEXT PRIMARY KEY,
    run INTEGER NOT NULL,
    root TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('intent', 'live', 'released')),
    detail TEXT NOT NULL,
    created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE packs (
    key INTEGER PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
    kind INTEGER NOT NULL,
    size INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('spooled', 'durable', 'indexed')),
    spool_path BLOB
) STRICT;
CREATE INDEX packs_waiting ON packs (state) WHERE state <> 'indexed';

-- One row for a frame. A chunk may stand in several packs.
CREATE TABLE chunks (
    key INTEGER PRIMARY KEY,
    id BLOB NOT NULL CHECK (length(id) = 32),
    pack INTEGER NOT NULL REFERENCES packs (key) ON DELETE CASCADE,
    kind INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    len INTEGER NOT NULL,
    raw_len INTEGER NOT NULL
) STRICT;
CREATE INDEX chunks_by_id ON chunks (id);
CREATE INDEX chunks_by_pack ON chunks (pack);

-- Small files inside of bundles; clustered by bundle, so that rows are appended.
CREATE TABLE members (
    bundle INTEGER NOT NULL REFERENCES chunks (key) ON DELETE CASCADE,
    offset INTEGER NOT NULL,
    len INTEGER NOT NULL,
    file BLOB NOT NULL CHECK (length(file) = 16),
    PRIMARY KEY (bundle, offset, len, file)
) STRICT, WITHOUT ROWID;
CREATE INDEX members_by_file ON members (file, len);

-- Index objects of the target whose packs all stand here.
CREATE TABLE indexes (
    hash BLOB PRIMARY KEY CHECK (length(hash) = 32)
) STRICT, WITHOUT ROWID;

-- The nodes of each root's current tree, so that a run reads nothing from the target.
CREATE TABLE nodes (
    key INTEGER PRIMARY KEY,
    root INTEGER NOT NULL REFERENCES roots (key) ON DELETE CASCADE,
    id BLOB NOT NULL CHECK (length(id) = 32),
    bytes BLOB NOT NULL,
    UNIQUE (root, id)
) STRICT;

-- What a run found so far, in the order of the tree; NULL deletes.
CREATE TABLE staged (
    root INTEGER NOT NULL REFERENCES roots (key) ON DELETE CASCADE,
    dir BLOB NOT NULL,
    name BLOB NOT NULL,
    entry BLOB,
    PRIMARY KEY (root, dir, name)
) STRICT, WITHOUT ROWID;

-- Directories whose old content is gone as a whole; what is staged below them came later.
CREATE TABLE staged_removals (
    root INTEGER NOT NULL REFERENCES roots (key) ON DELETE CASCADE,
    dir BLOB NOT NULL,
    PRIMARY KEY (root, dir)
) STRICT, WITHOUT ROWID;
