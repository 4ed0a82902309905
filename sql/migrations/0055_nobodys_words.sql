-- migrate:up

-- Calls and deleted messages stand in exports under the name of a sender, but WhatsApp wrote the line. The one home of this
-- rule; the summaries and their check call it.
CREATE FUNCTION speaking_side(side text, type text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN type IN ('call', 'deleted') THEN 'notification' ELSE side END;
COMMENT ON FUNCTION speaking_side(text, text) IS
    'The side whose words a message of messages_all holds; notification for calls and deleted messages, which are nobody''s';

COMMENT ON COLUMN customer_chat_summaries.message_count IS 'Messages and notices, each once';
COMMENT ON COLUMN customer_chat_summaries.other_messages IS
    'Nobody''s words: notices, calls, deleted messages, and messages whose side is not known';

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
