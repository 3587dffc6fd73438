-- Uploads by parts that were begun and have not ended: what a later process needs to go on with them.
CREATE TABLE uploads (
    key INTEGER PRIMARY KEY,
    -- NULL: the pack is forgotten, the upload is still to be ended
    pack INTEGER UNIQUE REFERENCES packs (key) ON DELETE SET NULL,
    -- of the object in the target
    name TEXT NOT NULL,
    -- `creating`: the target was asked or will be; `completing`: all parts have receipts, the end was asked for or will be
    state TEXT NOT NULL CHECK (state IN ('creating', 'uploading', 'completing')),
    -- as the target named it
    upload_id TEXT,
    -- of every part but the last; never changes within an upload
    part_bytes INTEGER NOT NULL CHECK (part_bytes > 0),
    CHECK ((upload_id IS NULL) = (state = 'creating'))
) STRICT;

-- Receipts: the row comes after the target has the part.
CREATE TABLE parts (
    upload INTEGER NOT NULL REFERENCES uploads (key) ON DELETE CASCADE,
    number INTEGER NOT NULL CHECK (number > 0),
    size INTEGER NOT NULL,
    etag TEXT NOT NULL,
    -- the 64 bits as a signed number
    crc64 INTEGER,
    PRIMARY KEY (upload, number)
) STRICT, WITHOUT ROWID;
