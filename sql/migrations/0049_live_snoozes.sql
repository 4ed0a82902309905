-- migrate:up

-- Live conversations can be put off as chats can: an item is of a chat or of a conversation.
ALTER TABLE review_snoozes
    ALTER COLUMN id_chat_file DROP NOT NULL,
    ADD COLUMN id_conversation bigint REFERENCES conversations ON DELETE CASCADE,
    ADD CONSTRAINT a_snooze_is_of_a_chat_or_a_conversation
        CHECK ((id_chat_file IS NULL) <> (id_conversation IS NULL));
CREATE UNIQUE INDEX review_snoozes_conversation_idx
    ON review_snoozes (id_conversation, coalesce(session_number, 0), reviewer) WHERE id_conversation IS NOT NULL;
COMMENT ON COLUMN review_snoozes.id_chat_file IS 'The chat that was put off; null: a live conversation was';
COMMENT ON COLUMN review_snoozes.id_conversation IS 'The live conversation that was put off; null: a chat was';

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
