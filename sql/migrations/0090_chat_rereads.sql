-- migrate:up

-- A person chose how a chat's file is to be read. Until the month's load has read it so, the choice is pending and shown so.
CREATE TABLE chat_rereads (
    id_chat_file  bigint PRIMARY KEY REFERENCES chat_files ON DELETE CASCADE,
    options       jsonb NOT NULL,
    requested_by  text NOT NULL CHECK (btrim(requested_by) <> ''),
    requested_at  timestamptz NOT NULL DEFAULT now(),
    indexed_at    timestamptz,
    read_at       timestamptz
);
CREATE INDEX chat_rereads_pending_idx ON chat_rereads (requested_at) WHERE read_at IS NULL;
COMMENT ON TABLE chat_rereads IS 'The last time that a person chose how a chat''s file is read, and when it was read so';
COMMENT ON COLUMN chat_rereads.id_chat_file IS 'The chat';
COMMENT ON COLUMN chat_rereads.options IS 'The choice: format, date_order, owner; null: the reader decides';
COMMENT ON COLUMN chat_rereads.requested_by IS 'User of the console who chose';
COMMENT ON COLUMN chat_rereads.requested_at IS 'When';
COMMENT ON COLUMN chat_rereads.indexed_at IS 'When a run indexed the file so, which comes before its messages; null: not yet';
COMMENT ON COLUMN chat_rereads.read_at IS 'When a load read the file so; null: it has not yet';

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
