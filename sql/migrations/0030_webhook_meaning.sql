-- migrate:up

-- Who wrote, where that is not the conversation itself: in a group.
ALTER TABLE conversation_messages
    ADD COLUMN sender_id        text,
    ADD COLUMN sender_canonical text,
    ADD COLUMN sender_name      text;
CREATE INDEX conversation_messages_sender_idx ON conversation_messages (sender_canonical)
    WHERE sender_canonical IS NOT NULL;
-- Erasing a person looks for cards that others shared of them.
CREATE INDEX conversation_messages_cards_idx ON conversation_messages (id) WHERE type = 'contacts';
COMMENT ON COLUMN conversation_messages.sender_id IS '[pii] Number or user id of who wrote, verbatim; null for the business';
COMMENT ON COLUMN conversation_messages.sender_canonical IS '[pii] The same for all spellings of the sender''s number';
COMMENT ON COLUMN conversation_messages.sender_name IS '[pii] Name of the sender''s WhatsApp profile at the time';

-- How much a message of a type says: a later, richer copy completes one that stood in for it.
CREATE FUNCTION message_richness(type text) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE type WHEN 'media_placeholder' THEN 0 WHEN 'unknown' THEN 1 WHEN 'unsupported' THEN 2 ELSE 3 END;
-- Which way a message came by counts when copies came by several: what came live is live.
CREATE FUNCTION message_origin_rank(origin text) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE origin WHEN 'message' THEN 0 WHEN 'echo' THEN 1 ELSE 2 END;

-- A person changes their number: the conversation is named by the newest one.
ALTER TABLE conversation_identities
    ADD COLUMN adopted_at  timestamptz,
    ADD COLUMN replaced_at timestamptz;
COMMENT ON COLUMN conversation_identities.adopted_at IS 'When a notice named this the new number or id';
COMMENT ON COLUMN conversation_identities.replaced_at IS 'When a notice said that another number or id took its place';

-- In a group every participant has a receipt of their own.
ALTER TABLE message_statuses
    ADD COLUMN participant text NOT NULL DEFAULT '',
    ADD COLUMN reason      text,
    DROP CONSTRAINT message_statuses_pkey,
    ADD PRIMARY KEY (phone_number_id, provider_id, status, participant);
COMMENT ON COLUMN message_statuses.participant IS '[pii] Canonical identity of the group''s participant; empty outside groups';
COMMENT ON COLUMN message_statuses.reason IS 'Why it failed, in the provider''s words';

-- One lead per person: of several numbers the one that wrote first.
ALTER TABLE leads ADD COLUMN first_message_at timestamptz;
UPDATE leads l SET first_message_at = coalesce(
    (SELECT min(m.sent_at) FROM conversation_identities i JOIN conversation_messages m USING (conversation_id)
      WHERE i.phone_number_id = l.phone_number_id AND i.canonical = l.canonical), l.created_at);
ALTER TABLE leads ALTER COLUMN first_message_at SET NOT NULL, ALTER COLUMN first_message_at SET DEFAULT now();
COMMENT ON COLUMN leads.first_message_at IS 'When the number first wrote';

-- Conversations and leads from before their account was added, or before it had a tenant, get its tenant.
UPDATE conversations c SET tenant_id = a.tenant_id
  FROM whatsapp_accounts a
 WHERE a.phone_number_id = c.phone_number_id AND c.tenant_id IS NULL AND a.tenant_id IS NOT NULL;
UPDATE leads l SET tenant_id = a.tenant_id
  FROM whatsapp_accounts a
 WHERE a.phone_number_id = l.phone_number_id AND l.tenant_id IS NULL AND a.tenant_id IS NOT NULL;

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
