-- What a run does to the nodes of a tree before it is over: 1 made, 2 replaced by a partial snapshot and still being
-- read. The end of the run settles both; what a run that failed has left is dropped when the next one begins.
ALTER TABLE nodes ADD COLUMN state INTEGER NOT NULL DEFAULT 0 CHECK (state IN (0, 1, 2));
CREATE INDEX nodes_in_doubt ON nodes (root) WHERE state <> 0;
