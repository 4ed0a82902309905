-- migrate:up

-- When what was said in a conversation, or whose it is, changed; and when and for whom it was summarised last. A sensor
-- asks for new summaries of the contacts between the two.
ALTER TABLE conversations
    ADD COLUMN changed_at         timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN summarized_at      timestamptz,
    ADD COLUMN summarized_contact bigint;
COMMENT ON COLUMN conversations.changed_at IS 'When its messages or its contact changed last';
COMMENT ON COLUMN conversations.summarized_at IS 'Start of the summary run that read it last';
COMMENT ON COLUMN conversations.summarized_contact IS 'The contact in whose summary it is; null: nobody''s';

CREATE OR REPLACE FUNCTION conversation_messages_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE conversations SET sessions_due = true, changed_at = clock_timestamp()
     WHERE id IN (SELECT conversation_id FROM changed);
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION conversation_messages_updated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE conversations SET sessions_due = true, changed_at = clock_timestamp()
     WHERE id IN (SELECT unnest(ARRAY[o.conversation_id, n.conversation_id]) FROM before o JOIN after n USING (id)
                   WHERE (o.conversation_id, o.text, o.type, o.role, o.sent_at, o.status, o.revoked_at)
                         IS DISTINCT FROM
                         (n.conversation_id, n.text, n.type, n.role, n.sent_at, n.status, n.revoked_at));
    RETURN NULL;
END $$;

CREATE FUNCTION conversations_contact_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.id_contato, OLD.match_status IN ('linked', 'manual'))
            IS DISTINCT FROM (NEW.id_contato, NEW.match_status IN ('linked', 'manual')) THEN
        NEW.changed_at := clock_timestamp();
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER conversations_contact_changed BEFORE UPDATE OF id_contato, match_status ON conversations
    FOR EACH ROW EXECUTE FUNCTION conversations_contact_changed();

-- Whether a message of an export is a live one: same side and words, within 2 s, or in the same minute of an export that
-- writes no seconds. An export may hold it as it was before an edit, as deleted, or as a file with its caption alone. The
-- one home of this rule; callers join by conversation, phone and day.
CREATE FUNCTION is_same_message(
    role text, type text, words text, first_words text, is_revoked boolean, at timestamp,
    archived_direction text, archived_type text, archived_words text, archived_attachment text, archived_at timestamp
) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN archived_at >= at - interval '1 minute' AND archived_at <= at + interval '2 seconds'
   AND (archived_at >= at - interval '3 seconds' AND archived_at >= date_trunc('second', at) - interval '2 seconds'
            AND archived_at <= date_trunc('second', at) + interval '2 seconds'
        OR archived_at = date_trunc('minute', at))
   AND (archived_direction IS NULL
        OR archived_direction = CASE role WHEN 'user' THEN 'from' WHEN 'assistant' THEN 'to' ELSE 'notification' END)
   AND (archived_words = words OR archived_words = first_words
        OR archived_type = 'deleted' AND is_revoked
        OR archived_attachment IS NOT NULL
           AND type IN ('image', 'audio', 'video', 'document', 'sticker', 'media_placeholder')
           AND right(words, length(coalesce(archived_words, '')) + 1) = coalesce(archived_words, '') || ']'
        -- What led to a message stands on a line of its own, and in no export.
        OR left(words, length(archived_words) + 2) = archived_words || E'\n[');

CREATE OR REPLACE VIEW conversation_contact_messages AS
SELECT m.id AS message_id, m.conversation_id, c.id_contato, c.match_status, c.tenant_id,
       CASE WHEN m.role = 'user' THEN 'from'
            -- Only what reached the customer is an answer: an assistant's reply is stored and sent nowhere.
            WHEN m.role = 'assistant' AND (m.status = 'failed' OR m.origin = 'assistant' AND m.status IS NULL)
                THEN 'unsent'
            WHEN m.role = 'assistant' THEN 'to'
            ELSE 'notification' END AS direction,
       m.sent_at, CASE WHEN m.revoked_at IS NULL THEN m.type ELSE 'deleted' END AS type,
       CASE WHEN m.revoked_at IS NULL THEN m.text END AS text,
       EXISTS (
           SELECT 1
             FROM conversation_identities i
             JOIN chat_files f ON f.phone_key = i.phone_key
             JOIN chat_messages a ON a.id_chat_file = f.id
            WHERE i.conversation_id = m.conversation_id
              AND a.message_timestamp::date = m.local_time::date
              AND is_same_message(m.role, m.type, m.text, m.original_text, m.revoked_at IS NOT NULL, m.local_time,
                                  a.direction, a.type, a.message_text, a.attachment_kind, a.message_timestamp)
       ) AS in_archive,
       c.is_group, m.origin, m.local_time,
       -- The place of a message among those of one second: as received, and what the pipeline wrote itself last.
       CASE WHEN m.inbox_id IS NULL THEN 4611686018427387904 + m.id ELSE m.inbox_id * 1048576 + m.position END AS ordinal,
       m.search, m.role, m.type AS first_type, m.text AS words, m.original_text AS first_words,
       m.revoked_at IS NOT NULL AS is_revoked
  FROM conversation_messages m
  JOIN conversations c ON c.id = m.conversation_id
 WHERE m.type NOT IN ('edit', 'revoke');

-- NOT EXISTS and not in_archive: so the planner may join the two sides once where many messages are asked for, and look
-- each up where few are.
CREATE OR REPLACE VIEW messages_all AS
SELECT 'chat' AS source, m.id AS message_id, m.id_chat_file, NULL::bigint AS conversation_id,
       CASE WHEN f.match_status IN ('linked', 'manual') THEN f.id_contato END AS id_contato,
       s.id AS id_chat_session, s.id_ordem_servico, m.direction AS side, 'archive' AS origin,
       m.message_timestamp AS at, f.file_path COLLATE "C" AS file, f.chat_number * 4294967296 + m.ordinal AS ordinal,
       m.type, m.message_text AS text, m.body_hash, m.search
  FROM chat_messages m
  JOIN chat_files f ON f.id = m.id_chat_file
  LEFT JOIN chat_sessions s ON s.id_chat_file = m.id_chat_file
                           AND m.message_timestamp BETWEEN s.started_at AND s.ended_at
                           AND s.order_match_status IN ('linked', 'manual')
 WHERE m.duplicate_of IS NULL AND f.duplicate_of IS NULL
UNION ALL
SELECT 'webhook', w.message_id, NULL, w.conversation_id,
       CASE WHEN w.match_status IN ('linked', 'manual') THEN w.id_contato END,
       s.id, s.id_ordem_servico, w.direction, w.origin,
       w.local_time, NULL, w.ordinal,
       w.type, w.text, hashtextextended(w.text, 0), w.search
  FROM conversation_contact_messages w
  LEFT JOIN chat_sessions s ON s.id_conversation = w.conversation_id
                           AND w.local_time BETWEEN s.started_at AND s.ended_at
                           AND s.order_match_status IN ('linked', 'manual')
 WHERE NOT EXISTS (
       SELECT 1
         FROM conversation_identities i
         JOIN chat_files f ON f.phone_key = i.phone_key
         JOIN chat_messages a ON a.id_chat_file = f.id
        WHERE i.conversation_id = w.conversation_id
          AND a.message_timestamp::date = w.local_time::date
          AND is_same_message(w.role, w.first_type, w.words, w.first_words, w.is_revoked, w.local_time,
                              a.direction, a.type, a.message_text, a.attachment_kind, a.message_timestamp)
   );

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
