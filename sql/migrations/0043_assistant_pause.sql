-- migrate:up

-- Where the endpoint refuses or hangs, questions that come during the pause wait as well.
ALTER TABLE assistant_replies ADD COLUMN paused_until timestamptz;
COMMENT ON COLUMN assistant_replies.paused_until IS 'The endpoint is asked nothing before: it refused every question, or did not answer';

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
