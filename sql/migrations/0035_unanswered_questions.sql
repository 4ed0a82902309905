-- migrate:up

-- The sensor counts the questions that ended without an answer at every tick.
CREATE INDEX assistant_replies_unanswered_idx ON assistant_replies (updated_at) WHERE state IN ('failed', 'expired');

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
