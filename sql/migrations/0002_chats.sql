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
    content_hash       bytea,
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
);
CREATE INDEX chat_files_month_idx ON chat_files (month, id);
CREATE INDEX chat_files_phone_key_idx ON chat_files (phone_key);
CREATE INDEX chat_files_chat_key_idx ON chat_files (chat_key);
CREATE INDEX chat_files_reference_os_idx ON chat_files (reference_os) WHERE reference_os IS NOT NULL;
CREATE INDEX chat_files_id_contato_idx ON chat_files (id_contato);
CREATE INDEX chat_files_id_ordem_servico_idx ON chat_files (id_ordem_servico);
CREATE INDEX chat_files_duplicate_of_idx ON chat_files (duplicate_of) WHERE duplicate_of IS NOT NULL;

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
ALTER TABLE chat_files ADD CONSTRAINT chat_files_id_contato_fkey
    FOREIGN KEY (id_contato) REFERENCES contatos (id) ON DELETE SET NULL;
ALTER TABLE chat_files ADD CONSTRAINT chat_files_id_ordem_servico_fkey
    FOREIGN KEY (id_ordem_servico) REFERENCES ordens_servico (id) ON DELETE SET NULL;
ALTER TABLE chat_sessions ADD CONSTRAINT chat_sessions_id_ordem_servico_fkey
    FOREIGN KEY (id_ordem_servico) REFERENCES ordens_servico (id) ON DELETE SET NULL;

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
