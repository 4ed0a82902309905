-- migrate:up

-- One row a chat: a file is usually one chat, a combined export or a zip holds many.
CREATE TABLE chat_files (
    id                 bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    filename           text NOT NULL,
    file_path          text NOT NULL,
    chat_number        integer NOT NULL DEFAULT 1 CHECK (chat_number >= 1),
    month              text NOT NULL CHECK (month ~ '^\d{4}-(0[1-9]|1[0-2])$'),
    file_date          timestamp,
    title              text,
    phone_number       text,
    phone_key          text,
    customer_name      text,
    reference_os       text,
    devices            text[] NOT NULL DEFAULT '{}',
    chat_key           text,
    is_group           boolean NOT NULL DEFAULT false,
    duplicate_of       bigint REFERENCES chat_files ON DELETE SET NULL,
    duplicate_count    integer NOT NULL DEFAULT 0,
    content_hash       bytea,
    indexed_hash       bytea,
    size_bytes         bigint,
    modified_at        timestamptz,
    format             text,
    parse_options      jsonb NOT NULL DEFAULT '{}',
    first_message_at   timestamp,
    last_message_at    timestamp,
    line_count         integer,
    message_count      integer,
    processing_status  text NOT NULL DEFAULT 'pending'
        CHECK (processing_status IN ('pending', 'linked', 'loaded', 'failed', 'vanished')),
    loaded_hash        bytea,
    id_contato         bigint,
    match_status       text NOT NULL DEFAULT 'pending'
        CHECK (match_status IN ('pending', 'linked', 'proposed', 'ambiguous', 'unmatched', 'manual', 'group')),
    match_method       text,
    match_confidence   double precision CHECK (match_confidence BETWEEN 0 AND 1),
    match_flags        text[] NOT NULL DEFAULT '{}',
    id_ordem_servico   bigint,
    order_match_method text,
    created_at         timestamptz NOT NULL DEFAULT now(),
    updated_at         timestamptz NOT NULL DEFAULT now(),
    UNIQUE (file_path, chat_number),
    CHECK (id_contato IS NOT NULL OR match_status NOT IN ('linked'))
) WITH (fillfactor = 75);  -- loading and linking each update a row
CREATE INDEX chat_files_month_idx ON chat_files (month, id);
CREATE INDEX chat_files_phone_key_idx ON chat_files (phone_key);
CREATE INDEX chat_files_chat_key_idx ON chat_files (chat_key);
CREATE INDEX chat_files_reference_os_idx ON chat_files (reference_os) WHERE reference_os IS NOT NULL;
CREATE INDEX chat_files_id_contato_idx ON chat_files (id_contato);
CREATE INDEX chat_files_id_ordem_servico_idx ON chat_files (id_ordem_servico);
CREATE INDEX chat_files_content_hash_idx ON chat_files (content_hash);
CREATE INDEX chat_files_duplicate_of_idx ON chat_files (duplicate_of) WHERE duplicate_of IS NOT NULL;

COMMENT ON TABLE chat_files IS 'One row a chat: a file is usually one chat, a combined export or a zip holds many';
COMMENT ON COLUMN chat_files.filename IS '[pii] Last part of the path; its title is a phone or a name';
COMMENT ON COLUMN chat_files.file_path IS '[pii] Path in the archive, with /';
COMMENT ON COLUMN chat_files.chat_number IS 'Number of the chat in its file, from 1';
COMMENT ON COLUMN chat_files.month IS 'Folder''s month, else the name''s, else the first message''s';
COMMENT ON COLUMN chat_files.file_date IS 'Time in the file''s name: metadata, no message''s date';
COMMENT ON COLUMN chat_files.title IS '[pii] Title from the file''s name, else the chat''s own label';
COMMENT ON COLUMN chat_files.phone_number IS '[pii] Phone in the title, as written';
COMMENT ON COLUMN chat_files.phone_key IS '[pii] Phone in the title as matching sees it: area code and last eight digits';
COMMENT ON COLUMN chat_files.customer_name IS '[pii] Name in the title, without phone, order and device words';
COMMENT ON COLUMN chat_files.reference_os IS 'Order number that the title names';
COMMENT ON COLUMN chat_files.devices IS 'Device words in the title';
COMMENT ON COLUMN chat_files.chat_key IS '[pii] Identity of the chat across files: its phone key, else its label';
COMMENT ON COLUMN chat_files.is_group IS 'Whether several customers write in it';
COMMENT ON COLUMN chat_files.duplicate_of IS 'File that holds every message of this one';
COMMENT ON COLUMN chat_files.duplicate_count IS 'Messages of this file that an earlier file of the same chat holds';
COMMENT ON COLUMN chat_files.content_hash IS 'BLAKE2b of the transcript; null when it could not be read';
COMMENT ON COLUMN chat_files.indexed_hash IS 'Content and options as chat_file_index last read them';
COMMENT ON COLUMN chat_files.format IS 'block, android, ios or unknown';
COMMENT ON COLUMN chat_files.parse_options IS 'What a person decided about reading this file: format, date_order, owner';
COMMENT ON COLUMN chat_files.first_message_at IS 'Earliest message, local time';
COMMENT ON COLUMN chat_files.last_message_at IS 'Latest message, local time';
COMMENT ON COLUMN chat_files.processing_status IS 'pending, linked, loaded, failed (can''t be read) or vanished (no longer in the archive)';
COMMENT ON COLUMN chat_files.loaded_hash IS 'Content and options as chat_messages last loaded them';

-- A chat cut where nobody wrote for 24 h: a chat of three years spans many orders.
CREATE TABLE chat_sessions (
    id                     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id_chat_file           bigint NOT NULL REFERENCES chat_files ON DELETE CASCADE,
    number                 integer NOT NULL CHECK (number >= 1),
    started_at             timestamp NOT NULL,
    ended_at               timestamp NOT NULL,
    message_count          integer NOT NULL,
    order_numbers          text[] NOT NULL DEFAULT '{}',
    devices                text[] NOT NULL DEFAULT '{}',
    stages                 text[] NOT NULL DEFAULT '{}',
    id_ordem_servico       bigint,
    order_match_method     text,
    order_match_status     text NOT NULL DEFAULT 'pending'
        CHECK (order_match_status IN ('pending', 'linked', 'proposed', 'unmatched', 'manual')),
    order_match_confidence double precision CHECK (order_match_confidence BETWEEN 0 AND 1),
    order_flags            text[] NOT NULL DEFAULT '{}',
    UNIQUE (id_chat_file, number)
);
CREATE INDEX chat_sessions_id_ordem_servico_idx ON chat_sessions (id_ordem_servico);

-- The phones in the headers inside the file.
CREATE TABLE chat_phones (
    id_chat_file   bigint NOT NULL REFERENCES chat_files ON DELETE CASCADE,
    raw            text NOT NULL,
    key            text,
    kind           text NOT NULL,
    occurrences    integer NOT NULL,
    PRIMARY KEY (id_chat_file, raw)
);
CREATE INDEX chat_phones_key_idx ON chat_phones (key);

CREATE TABLE chat_messages (
    id                   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id_chat_file         bigint NOT NULL REFERENCES chat_files ON DELETE CASCADE,
    ordinal              integer NOT NULL,
    message_timestamp    timestamp NOT NULL,
    timestamp_utc        timestamptz,
    direction            text CHECK (direction IN ('from', 'to', 'notification')),
    is_from_customer     boolean GENERATED ALWAYS AS (CASE direction WHEN 'from' THEN true WHEN 'to' THEN false END) STORED,
    type                 text NOT NULL,
    message_text         text,
    responding_to        text,
    reply_timestamp      timestamp,
    reply_to_id          bigint,
    sender_name          text,
    sender_phone         text,
    delivery_status      text,
    attachment_name      text,
    attachment_kind      text,
    attachment_size      bigint,
    attachment_duration  integer,
    line                 integer NOT NULL,
    body_hash            bigint NOT NULL,
    occurrence           integer NOT NULL DEFAULT 1,
    -- The same message in an earlier chat_files row of the same chat: marked, never deleted.
    duplicate_of         bigint,
    UNIQUE (id_chat_file, ordinal) DEFERRABLE INITIALLY IMMEDIATE
);
CREATE INDEX chat_messages_timestamp_idx ON chat_messages (message_timestamp);
CREATE INDEX chat_messages_duplicate_of_idx ON chat_messages (duplicate_of) WHERE duplicate_of IS NOT NULL;

COMMENT ON TABLE chat_messages IS 'Every message; rows with duplicate_of null are what was said, each once';
COMMENT ON COLUMN chat_messages.ordinal IS 'Place in the chat as the file has it, from 1';
COMMENT ON COLUMN chat_messages.message_timestamp IS 'Local time as written in the file';
COMMENT ON COLUMN chat_messages.timestamp_utc IS 'The same instant, read in the archive''s zone';
COMMENT ON COLUMN chat_messages.direction IS 'from the customer, to the customer, notification; null when it can''t be told';
COMMENT ON COLUMN chat_messages.message_text IS '[pii] Text as written, less quote and attachment lines';
COMMENT ON COLUMN chat_messages.responding_to IS '[pii] The quoted text of a reply';
COMMENT ON COLUMN chat_messages.reply_to_id IS 'Message replied to, where it was found';
COMMENT ON COLUMN chat_messages.sender_name IS '[pii] Sender''s name as the export has it';
COMMENT ON COLUMN chat_messages.sender_phone IS '[pii] Sender''s phone as the export has it';
COMMENT ON COLUMN chat_messages.attachment_name IS '[pii] File name of the attachment';
COMMENT ON COLUMN chat_messages.attachment_size IS 'Bytes';
COMMENT ON COLUMN chat_messages.attachment_duration IS 'Seconds';
COMMENT ON COLUMN chat_messages.line IS 'Line of the message''s header in the file';
COMMENT ON COLUMN chat_messages.body_hash IS 'Hash of the body: with time, direction and occurrence it names a message across exports';
COMMENT ON COLUMN chat_messages.duplicate_of IS 'The same message in an earlier file of the same chat';

-- What could not be read, kept or placed: with file, line and reason, so that a person can act.
CREATE TABLE exceptions (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stage         text NOT NULL,   -- the asset that found it: 'tiny_contacts', 'chat_file_index', 'chat_messages' …
    file_path     text NOT NULL,   -- or the ERP row, as 'contatos/123'
    chat_number   integer,
    month         text,
    line          integer,
    kind          text NOT NULL,
    severity      text NOT NULL CHECK (severity IN ('info', 'warning', 'error')),
    detail        text NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    UNIQUE NULLS NOT DISTINCT (stage, file_path, chat_number, line, kind, detail)
);
CREATE INDEX exceptions_month_idx ON exceptions (month, kind);

-- Links into the user's own tables: deleting a contact or an order there must never be refused here,
-- so the link is cleared and the row waits to be linked again.
SELECT link_to_adopted('chat_files', 'id_contato', 'contatos', 'SET NULL');
SELECT link_to_adopted('chat_files', 'id_ordem_servico', 'ordens_servico', 'SET NULL');
SELECT link_to_adopted('chat_sessions', 'id_ordem_servico', 'ordens_servico', 'SET NULL');

CREATE FUNCTION chat_files_link_lost() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Only the foreign key clears a link and leaves its status as it was; the pipeline sets both.
    IF OLD.id_contato IS NOT NULL AND NEW.id_contato IS NULL AND NEW.match_status = OLD.match_status THEN
        NEW.match_status := 'pending';
        NEW.match_method := NULL;
        NEW.match_confidence := NULL;
        NEW.processing_status := CASE NEW.processing_status WHEN 'vanished' THEN 'vanished' ELSE 'pending' END;
    END IF;
    IF OLD.id_ordem_servico IS NOT NULL AND NEW.id_ordem_servico IS NULL
            AND NEW.order_match_method IS NOT DISTINCT FROM OLD.order_match_method THEN
        NEW.order_match_method := NULL;
        NEW.processing_status := CASE NEW.processing_status WHEN 'vanished' THEN 'vanished' ELSE 'pending' END;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER chat_files_link_lost BEFORE UPDATE OF id_contato, id_ordem_servico ON chat_files
    FOR EACH ROW EXECUTE FUNCTION chat_files_link_lost();

CREATE FUNCTION chat_sessions_link_lost() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.id_ordem_servico IS NOT NULL AND NEW.id_ordem_servico IS NULL
            AND NEW.order_match_status = OLD.order_match_status THEN
        NEW.order_match_status := 'pending';
        NEW.order_match_method := NULL;
        NEW.order_match_confidence := NULL;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER chat_sessions_link_lost BEFORE UPDATE OF id_ordem_servico ON chat_sessions
    FOR EACH ROW EXECUTE FUNCTION chat_sessions_link_lost();

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
