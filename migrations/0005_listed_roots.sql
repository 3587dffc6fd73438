-- How the last snapshot (`seq` = head_seq of `machine`) lists each root, and how one that is announced will. By tag and not by
-- root: after a lost state this is known before the roots are. A root that cannot be read is listed by it again, whatever
-- became of its nodes.
CREATE TABLE listed_roots (
    seq INTEGER NOT NULL,
    tag BLOB NOT NULL CHECK (length(tag) = 16),
    tree BLOB CHECK (length(tree) = 32),
    entries INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    complete INTEGER NOT NULL CHECK (complete IN (0, 1)),
    recovery_point_ms INTEGER,
    PRIMARY KEY (seq, tag)
) STRICT, WITHOUT ROWID;
