-- migrate:up

-- What a month's links depend on, part by part, so that the backfill planner can say what changed since.
ALTER TABLE link_stamps ADD COLUMN parts jsonb;
COMMENT ON COLUMN link_stamps.parts IS
    'Hashes of what the month''s links depend on, by part: contacts, orders, decisions, chats, rules, model, links';

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
