-- Small packs that are meant for an archive class: the target has them in a class that reads at once, and a copy of each waits
-- here until there are enough of them for one pack of that class.
CREATE TABLE arena (
    pack INTEGER PRIMARY KEY REFERENCES packs (key) ON DELETE CASCADE,
    -- the class that it is meant for, by the name that S3 gives it
    class TEXT NOT NULL,
    since_ms INTEGER NOT NULL,
    -- the pack that its frames were copied into, until that is indexed; when that is lost, this one waits again
    merged_into INTEGER REFERENCES packs (key) ON DELETE SET NULL
) STRICT;
CREATE INDEX arena_merged ON arena (merged_into) WHERE merged_into IS NOT NULL;

-- Another indexed pack holds all that this one does, where it is meant to be; NULL again when that pack is lost.
ALTER TABLE packs ADD COLUMN superseded_by INTEGER REFERENCES packs (key) ON DELETE SET NULL;
CREATE INDEX packs_superseded ON packs (superseded_by) WHERE superseded_by IS NOT NULL;
