-- migrate:up

-- A question whose answer failed is asked again later, until it is answered, superseded or a day old.
ALTER TABLE assistant_replies
    ADD COLUMN attempts        integer NOT NULL DEFAULT 0,
    ADD COLUMN next_attempt_at timestamptz NOT NULL DEFAULT now();
COMMENT ON COLUMN assistant_replies.attempts IS 'How often the language model was asked and gave no usable answer';
COMMENT ON COLUMN assistant_replies.next_attempt_at IS 'A pending question is not asked before';

DROP INDEX assistant_replies_pending_idx;
CREATE INDEX assistant_replies_pending_idx ON assistant_replies (next_attempt_at, trigger_id) WHERE state = 'pending';

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
