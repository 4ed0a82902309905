-- migrate:up

CREATE TABLE tenants (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text NOT NULL UNIQUE,
    created_at  timestamptz NOT NULL DEFAULT now()
);

-- A business number: what Meta calls phone_number_id. A disabled one keeps receiving; its deliveries wait.
CREATE TABLE whatsapp_accounts (
    phone_number_id       text PRIMARY KEY,
    tenant_id             bigint REFERENCES tenants,
    display_phone_number  text,
    is_active             boolean NOT NULL DEFAULT true,
    created_at            timestamptz NOT NULL DEFAULT now(),
    updated_at            timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX whatsapp_accounts_tenant_idx ON whatsapp_accounts (tenant_id);

-- What was received, byte for byte. bytea, because jsonb refuses \u0000, lone surrogates and NaN.
CREATE TABLE webhook_inbox (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    delivery_id      uuid NOT NULL UNIQUE,
    received_at      timestamptz NOT NULL,
    stored_at        timestamptz NOT NULL DEFAULT now(),
    body             bytea,                        -- NULL once redacted
    status           text NOT NULL DEFAULT 'pending'
        CHECK (status IN ('pending', 'done', 'parked', 'dead')),
    attempts         integer NOT NULL DEFAULT 0,   -- failures of the delivery's own making
    next_attempt_at  timestamptz NOT NULL DEFAULT now(),
    lease_token      uuid,
    lease_until      timestamptz,
    -- Leases that ended without a word since the server started: a body that kills its worker.
    crashes          integer NOT NULL DEFAULT 0,
    leased_under     timestamptz,                  -- start time of the server that gave the lease
    waiting_for      text[] NOT NULL DEFAULT '{}', -- parked: the accounts that are not known yet
    error            text,
    processed_at     timestamptz,
    redacted_at      timestamptz
);
CREATE INDEX webhook_inbox_pending_idx ON webhook_inbox (id) WHERE status = 'pending';
CREATE INDEX webhook_inbox_held_idx ON webhook_inbox (status, id) WHERE status IN ('parked', 'dead');
CREATE INDEX webhook_inbox_received_idx ON webhook_inbox (received_at) WHERE body IS NOT NULL;

-- A range of the inbox that one run works through; the attempt makes each launch's run key a new one.
CREATE TABLE webhook_batches (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    first_id      bigint NOT NULL,
    last_id       bigint NOT NULL,
    attempt       integer NOT NULL DEFAULT 1,
    status        text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'done', 'dead')),
    requested_at  timestamptz NOT NULL DEFAULT now(),
    finished_at   timestamptz,
    CHECK (first_id <= last_id)
);
CREATE INDEX webhook_batches_open_idx ON webhook_batches (id) WHERE status = 'open';

CREATE TABLE conversations (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id        bigint REFERENCES tenants,
    channel          text NOT NULL DEFAULT 'whatsapp',
    external_id      text NOT NULL,   -- the best identity seen so far, verbatim: a phone before a user id
    phone_number_id  text NOT NULL,
    is_active        boolean NOT NULL DEFAULT true,
    is_group         boolean NOT NULL DEFAULT false,
    profile_name     text,
    profile_name_at  timestamptz,
    last_message_at  timestamptz,
    id_contato       bigint,
    match_status     text NOT NULL DEFAULT 'unmatched'
        CHECK (match_status IN ('unmatched', 'linked', 'ambiguous', 'manual')),
    created_at       timestamptz NOT NULL DEFAULT now(),
    updated_at       timestamptz NOT NULL DEFAULT now(),
    UNIQUE (channel, phone_number_id, external_id)
);
CREATE INDEX conversations_id_contato_idx ON conversations (id_contato);
SELECT link_to_adopted('conversations', 'id_contato', 'contatos', 'SET NULL');
CREATE INDEX conversations_tenant_idx ON conversations (tenant_id);

CREATE FUNCTION conversations_link_lost() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- As in chat_files: only the foreign key clears a link and leaves its status as it was.
    IF OLD.id_contato IS NOT NULL AND NEW.id_contato IS NULL AND NEW.match_status = OLD.match_status THEN
        NEW.match_status := 'unmatched';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER conversations_link_lost BEFORE UPDATE OF id_contato ON conversations
    FOR EACH ROW EXECUTE FUNCTION conversations_link_lost();

-- Every name one correspondent was seen under: a phone with and without its ninth digit, a user id.
CREATE TABLE conversation_identities (
    channel          text NOT NULL DEFAULT 'whatsapp',
    phone_number_id  text NOT NULL,
    value            text NOT NULL,   -- verbatim
    canonical        text NOT NULL,   -- the same for all spellings of one phone
    kind             text NOT NULL CHECK (kind IN ('wa_id', 'user_id', 'group')),
    phone_key        text,            -- as in contact_phones.key
    conversation_id  bigint NOT NULL REFERENCES conversations ON DELETE CASCADE,
    created_at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (channel, phone_number_id, value)
);
CREATE INDEX conversation_identities_canonical_idx
    ON conversation_identities (phone_number_id, canonical) INCLUDE (conversation_id);
CREATE INDEX conversation_identities_conversation_idx ON conversation_identities (conversation_id);
CREATE INDEX conversation_identities_phone_key_idx ON conversation_identities (phone_key);

CREATE TABLE conversation_messages (
    id                    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    conversation_id       bigint NOT NULL REFERENCES conversations ON DELETE CASCADE,
    role                  text NOT NULL CHECK (role IN ('user', 'assistant', 'system')),
    text                  text NOT NULL CHECK (text <> ''),
    raw_json              json,
    created_at            timestamptz NOT NULL DEFAULT now(),
    origin                text NOT NULL CHECK (origin IN ('message', 'echo', 'history', 'assistant', 'local')),
    type                  text NOT NULL DEFAULT 'text',
    phone_number_id       text NOT NULL,
    provider_id           text,         -- the wamid
    -- What makes it itself, for ever: the wamid, or delivery and position where there is none.
    message_key           text NOT NULL,
    provider_time         timestamptz,
    sent_at               timestamptz NOT NULL,   -- the provider's time, or else when it was received
    inbox_id              bigint,
    position              integer NOT NULL DEFAULT 0,
    status                text,
    reply_to_provider_id  text,
    in_reply_to           bigint UNIQUE REFERENCES conversation_messages ON DELETE SET NULL,
    UNIQUE (phone_number_id, message_key)
);
CREATE INDEX conversation_messages_order_idx
    ON conversation_messages (conversation_id, sent_at, inbox_id, position, id);
COMMENT ON COLUMN conversation_messages.raw_json IS
    '[pii] json, not jsonb: it keeps \u0000 and lone surrogates as they were sent (read such a row as raw_json::text). '
    'NaN, infinities and integers of over 4,000 digits, which JSON or its readers lack, stand as strings.';

-- sent < delivered < read < played; a failure ends what was only sent. Anything else is kept and ranks lowest.
CREATE FUNCTION message_status_rank(status text) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE status WHEN 'sent' THEN 1 WHEN 'failed' THEN 2 WHEN 'delivered' THEN 3
                   WHEN 'read' THEN 4 WHEN 'played' THEN 5 ELSE 0 END;

CREATE TABLE message_statuses (
    phone_number_id  text NOT NULL,
    provider_id      text NOT NULL,
    status           text NOT NULL,
    status_time      timestamptz NOT NULL,
    recipient        text,            -- canonical identity
    raw_json         json,
    created_at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (phone_number_id, provider_id, status)
);

-- Whatever else a delivery held: errors, other webhook fields, items of a shape nobody has seen.
CREATE TABLE webhook_events (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    delivery_id      uuid NOT NULL,
    position         integer NOT NULL,
    phone_number_id  text NOT NULL,
    kind             text NOT NULL,
    raw_json         json NOT NULL,
    received_at      timestamptz NOT NULL,
    created_at       timestamptz NOT NULL DEFAULT now(),
    UNIQUE (delivery_id, position)
);
CREATE INDEX webhook_events_kind_idx ON webhook_events (kind, received_at);

-- The first message from a number that matches no contact makes one; nothing here changes it afterwards.
CREATE TABLE leads (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    phone_number_id  text NOT NULL,
    canonical        text NOT NULL,
    wa_id            text NOT NULL,
    phone_key        text,
    profile_name     text,
    tenant_id        bigint REFERENCES tenants,
    created_at       timestamptz NOT NULL DEFAULT now(),
    UNIQUE (phone_number_id, canonical)
);

-- One row a message that asks for an answer: what became of it. The answer itself is a message.
CREATE TABLE assistant_replies (
    trigger_id   bigint PRIMARY KEY REFERENCES conversation_messages ON DELETE CASCADE,
    state        text NOT NULL DEFAULT 'pending'
        CHECK (state IN ('pending', 'answered', 'superseded', 'expired', 'failed')),
    reason       text,
    lease_until  timestamptz,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX assistant_replies_pending_idx ON assistant_replies (trigger_id) WHERE state = 'pending';

COMMENT ON COLUMN conversations.external_id IS '[pii] The best identity seen so far, verbatim: a phone before a user id';
COMMENT ON COLUMN conversations.profile_name IS '[pii] Name of the WhatsApp profile, the latest';
COMMENT ON COLUMN conversations.match_status IS 'Whether the number belongs to one contact; manual stands for ever';
COMMENT ON COLUMN conversation_identities.value IS '[pii] A phone or user id, verbatim';
COMMENT ON COLUMN conversation_identities.canonical IS '[pii] The same for all spellings of one phone';
COMMENT ON COLUMN conversation_identities.phone_key IS '[pii] The key under which contacts hold the number';
COMMENT ON COLUMN conversation_messages.role IS 'user wrote to the business, assistant answered, system is neither';
COMMENT ON COLUMN conversation_messages.text IS '[pii] The text; for other types what they read like, as [image: caption]';
COMMENT ON COLUMN conversation_messages.origin IS 'How it came: message, echo, history, assistant, local (our own)';
COMMENT ON COLUMN conversation_messages.type IS 'Type as the provider names it';
COMMENT ON COLUMN conversation_messages.phone_number_id IS 'The business number''s account';
COMMENT ON COLUMN conversation_messages.provider_id IS 'The wamid; null where there was none';
COMMENT ON COLUMN conversation_messages.message_key IS 'What makes it itself, for ever: the wamid, or delivery and position';
COMMENT ON COLUMN conversation_messages.provider_time IS 'Time as the provider gave it, where that makes sense';
COMMENT ON COLUMN conversation_messages.sent_at IS 'The provider''s time, or else when it was received';
COMMENT ON COLUMN conversation_messages.inbox_id IS 'Delivery it first came in; second key of the order';
COMMENT ON COLUMN conversation_messages.position IS 'Place in that delivery; third key of the order';
COMMENT ON COLUMN conversation_messages.status IS 'The highest status known: sent, failed, delivered, read, played';
COMMENT ON COLUMN conversation_messages.reply_to_provider_id IS 'Message it answers, reacts to, edits or revokes';
COMMENT ON COLUMN conversation_messages.in_reply_to IS 'Message the assistant answered; one answer each';
COMMENT ON COLUMN leads.wa_id IS '[pii] Number as it first wrote';
COMMENT ON COLUMN leads.canonical IS '[pii] The same for all spellings of the number';
COMMENT ON COLUMN leads.phone_key IS '[pii] The key under which contacts would hold it';
COMMENT ON COLUMN leads.profile_name IS '[pii] Name of the WhatsApp profile at the time';

-- The webhook's messages as customer_summaries counts them: direction in the archive's words, the contact
-- of the conversation, and whether an export holds the same message (same phone key and direction, ± 2 s,
-- same body); such a one is counted there and not here.
CREATE VIEW conversation_contact_messages AS
SELECT m.id AS message_id, m.conversation_id, c.id_contato, c.match_status, c.tenant_id,
       CASE m.role WHEN 'user' THEN 'from' WHEN 'assistant' THEN 'to' ELSE 'notification' END AS direction,
       m.sent_at, m.type, m.text,
       EXISTS (
           SELECT 1
             FROM conversation_identities i
             JOIN chat_files f ON f.phone_key = i.phone_key
             JOIN chat_messages a ON a.id_chat_file = f.id
            WHERE i.conversation_id = m.conversation_id
              AND a.direction = CASE m.role WHEN 'user' THEN 'from' WHEN 'assistant' THEN 'to' ELSE 'notification' END
              AND a.message_text = m.text
              AND a.timestamp_utc BETWEEN m.sent_at - interval '2 seconds' AND m.sent_at + interval '2 seconds'
       ) AS in_archive
  FROM conversation_messages m
  JOIN conversations c ON c.id = m.conversation_id
 WHERE NOT c.is_group;

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
