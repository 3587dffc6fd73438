-- What the target bills for: what it holds, since when, and what was asked of it.

-- The storage class by the name that S3 gives it.
ALTER TABLE packs ADD COLUMN class TEXT NOT NULL DEFAULT 'STANDARD';
-- When the target had it; NULL where nobody wrote it down (older than this column, or learnt from an index object).
ALTER TABLE packs ADD COLUMN stored_ms INTEGER;
CREATE INDEX packs_by_time ON packs (stored_ms) WHERE stored_ms IS NOT NULL;

-- Requests by the day of UTC, counted from 1970.
CREATE TABLE requests (
    day INTEGER NOT NULL,
    verb TEXT NOT NULL,
    class TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (day, verb, class)
) STRICT, WITHOUT ROWID;

-- The same of one run.
CREATE TABLE run_requests (
    run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    verb TEXT NOT NULL,
    class TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (run, verb, class)
) STRICT, WITHOUT ROWID;
