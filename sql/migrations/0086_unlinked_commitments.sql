-- migrate:up

-- A quote or a promise given in a chat that has no customer yet is still one. Such a commitment names its chat or live
-- conversation instead of the customer, and gets the customer when the chat is linked.
ALTER TABLE commitments
    ALTER COLUMN id_contato DROP NOT NULL,
    ADD COLUMN id_chat_file    bigint REFERENCES chat_files ON DELETE CASCADE,
    ADD COLUMN conversation_id bigint REFERENCES conversations ON DELETE CASCADE,
    ADD CONSTRAINT a_commitment_has_one_owner CHECK (num_nonnulls(id_contato, id_chat_file, conversation_id) = 1);
CREATE INDEX commitments_chat_idx ON commitments (id_chat_file) WHERE id_chat_file IS NOT NULL;
CREATE INDEX commitments_conversation_idx ON commitments (conversation_id) WHERE conversation_id IS NOT NULL;
COMMENT ON COLUMN commitments.id_contato IS
    'The customer whose conversation it is; null: the chat or conversation is linked to nobody';
COMMENT ON COLUMN commitments.id_chat_file IS 'The chat that is linked to no customer; null otherwise';
COMMENT ON COLUMN commitments.conversation_id IS 'The live conversation that is linked to no customer; null otherwise';

-- A chat of many thousands is read again only where this hash of its messages differs.
CREATE TABLE unlinked_chats_read (
    key             bigint GENERATED ALWAYS AS (coalesce(id_chat_file, -conversation_id)) STORED PRIMARY KEY,
    id_chat_file    bigint UNIQUE REFERENCES chat_files ON DELETE CASCADE,
    conversation_id bigint UNIQUE REFERENCES conversations ON DELETE CASCADE,
    input_hash      text NOT NULL,
    read_at         timestamptz NOT NULL,
    CONSTRAINT an_unlinked_chat_is_of_one_kind CHECK (num_nonnulls(id_chat_file, conversation_id) = 1)
);
COMMENT ON TABLE unlinked_chats_read IS
    'Chats and live conversations without a customer whose messages were read for commitments';
COMMENT ON COLUMN unlinked_chats_read.key IS 'Id of the chat, or of the live conversation with a minus';
COMMENT ON COLUMN unlinked_chats_read.id_chat_file IS 'The chat; null for a live conversation';
COMMENT ON COLUMN unlinked_chats_read.conversation_id IS 'The live conversation; null for a chat';
COMMENT ON COLUMN unlinked_chats_read.input_hash IS 'Hash of the messages and of the rules that read them';
COMMENT ON COLUMN unlinked_chats_read.read_at IS 'Start of the run that compared this hash last; later messages may be unread';

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
