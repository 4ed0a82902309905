-- migrate:up

-- A medium of the history that the staff sent may name no recipient: only its placeholder in a thread, with the same id,
-- tells whose conversation it belongs to. It is an event until the placeholder comes, in whatever order they arrive.
ALTER TABLE webhook_events ADD COLUMN provider_id text;
COMMENT ON COLUMN webhook_events.provider_id IS
    'Message id (wamid) of a message of the staff whose recipient is unknown yet; a copy of it that names the recipient '
    'makes it a message. NULL for everything else';
CREATE INDEX webhook_events_provider_id_idx ON webhook_events (phone_number_id, provider_id)
 WHERE provider_id IS NOT NULL;

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
