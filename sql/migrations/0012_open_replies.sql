-- migrate:up
-- Replies whose original is not found yet, few of all messages: asked for whenever a month is loaded.
CREATE INDEX chat_messages_open_replies_idx ON chat_messages (id_chat_file)
    WHERE reply_timestamp IS NOT NULL AND reply_to_id IS NULL;

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
