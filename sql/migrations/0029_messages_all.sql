-- migrate:up

-- Live messages get a local time beside the instant, as messages of the archive have one: filters and the order of
-- messages then read one column of each table, and an index serves both.
ALTER TABLE conversation_messages ADD COLUMN local_time timestamp;

CREATE FUNCTION conversation_messages_local_time() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- The pipeline's sessions run in the archive's zone (CHAT_TIME_ZONE).
    NEW.local_time := NEW.sent_at AT TIME ZONE current_setting('TimeZone');
    RETURN NEW;
END $$;
CREATE TRIGGER conversation_messages_local_time BEFORE INSERT OR UPDATE OF sent_at ON conversation_messages
    FOR EACH ROW EXECUTE FUNCTION conversation_messages_local_time();

UPDATE conversation_messages SET local_time = sent_at AT TIME ZONE current_setting('TimeZone');
ALTER TABLE conversation_messages ALTER COLUMN local_time SET NOT NULL;
CREATE INDEX conversation_messages_local_time_idx ON conversation_messages (local_time);
COMMENT ON COLUMN conversation_messages.local_time IS 'sent_at in the archive''s zone; a trigger keeps it';

-- A conversation has sessions as a chat has, and they are linked to orders by the same model.
ALTER TABLE chat_sessions
    ALTER COLUMN id_chat_file DROP NOT NULL,
    ADD COLUMN id_conversation bigint REFERENCES conversations ON DELETE CASCADE,
    ADD CONSTRAINT a_session_has_one_owner CHECK (num_nonnulls(id_chat_file, id_conversation) = 1),
    ADD CONSTRAINT chat_sessions_conversation_number UNIQUE (id_conversation, number);
COMMENT ON TABLE chat_sessions IS 'One row per session of a chat or of a live conversation: cut where nobody wrote for 24 h';
COMMENT ON COLUMN chat_sessions.id_conversation IS 'The live conversation; null for a session of an archive chat';

-- The contact of a chat counts only where the link is in force; the view asks for it by this expression.
CREATE INDEX chat_files_linked_contact_idx ON chat_files
    ((CASE WHEN match_status IN ('linked', 'manual') THEN id_contato END));
CREATE INDEX conversations_linked_contact_idx ON conversations
    ((CASE WHEN match_status IN ('linked', 'manual') THEN id_contato END));

-- Live messages, each once as it stands now, and whether an export holds the same message: same phone key, side and
-- words, within 2 s, or in the same minute of an export that writes no seconds.
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
              -- Most exports end before the live messages begin: their messages are not looked at.
              AND m.local_time >= coalesce(f.first_message_at, m.local_time) - interval '1 minute'
              AND m.local_time <= coalesce(f.last_message_at, m.local_time) + interval '1 minute'
              AND a.message_timestamp = ANY (ARRAY[
                      date_trunc('second', m.local_time) - interval '2 seconds',
                      date_trunc('second', m.local_time) - interval '1 second',
                      date_trunc('second', m.local_time),
                      date_trunc('second', m.local_time) + interval '1 second',
                      date_trunc('second', m.local_time) + interval '2 seconds',
                      date_trunc('minute', m.local_time)])
              AND coalesce(a.direction, '') IN (
                      '', CASE m.role WHEN 'user' THEN 'from' WHEN 'assistant' THEN 'to' ELSE 'notification' END)
              AND (a.message_text IN (m.text, m.original_text)
                   OR a.type = 'deleted' AND m.revoked_at IS NOT NULL
                   -- A file with its caption: an export keeps the caption alone.
                   OR a.attachment_kind IS NOT NULL
                      AND m.type IN ('image', 'audio', 'video', 'document', 'sticker', 'media_placeholder')
                      AND right(m.text, length(coalesce(a.message_text, '')) + 1) = coalesce(a.message_text, '') || ']')
       ) AS in_archive,
       c.is_group, m.origin, m.local_time,
       -- The place of a message among those of one second: as received, and what the pipeline wrote itself last.
       CASE WHEN m.inbox_id IS NULL THEN 4611686018427387904 + m.id ELSE m.inbox_id * 1048576 + m.position END AS ordinal,
       m.search
  FROM conversation_messages m
  JOIN conversations c ON c.id = m.conversation_id
 WHERE m.type NOT IN ('edit', 'revoke');

-- Kept for those who read it; one rule, that of the view above.
CREATE OR REPLACE VIEW conversation_only_messages AS
SELECT message_id, conversation_id, id_contato, match_status, tenant_id, direction, sent_at, type, text
  FROM conversation_contact_messages
 WHERE NOT is_group AND NOT in_archive;

-- Sessions of archive and live conversations, with the contact of their chat.
CREATE VIEW sessions_all AS
SELECT s.id, 'chat' AS source, s.id_chat_file, NULL::bigint AS conversation_id, s.number,
       CASE WHEN f.match_status IN ('linked', 'manual') THEN f.id_contato END AS id_contato, s.started_at,
       s.ended_at, s.message_count, s.id_ordem_servico, s.order_match_status, s.order_match_method,
       s.order_match_confidence
  FROM chat_sessions s
  JOIN chat_files f ON f.id = s.id_chat_file
 WHERE f.duplicate_of IS NULL
UNION ALL
SELECT s.id, 'webhook', NULL, s.id_conversation, s.number,
       CASE WHEN c.match_status IN ('linked', 'manual') THEN c.id_contato END, s.started_at,
       s.ended_at, s.message_count, s.id_ordem_servico, s.order_match_status, s.order_match_method,
       s.order_match_confidence
  FROM chat_sessions s
  JOIN conversations c ON c.id = s.id_conversation;
COMMENT ON VIEW sessions_all IS 'Sessions of the archive''s chats and of live conversations, with their contact and order';

-- Every message once, of the archive and of live conversations, with the contact of its chat and the order of its
-- session. Its order is (at, file, ordinal), which the pipeline has from store/message_order.py.
CREATE VIEW messages_all AS
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
 WHERE NOT w.in_archive;
COMMENT ON VIEW messages_all IS
    'Every message once, of the archive and of live conversations, with contact, order, side and origin';
COMMENT ON COLUMN messages_all.source IS 'chat or webhook: which table message_id is of';
COMMENT ON COLUMN messages_all.side IS
    'from the customer, to the customer, notification, unsent (written for the customer, never sent); null when unknown';
COMMENT ON COLUMN messages_all.origin IS 'archive, message, echo, history, assistant or local';
COMMENT ON COLUMN messages_all.at IS 'Local time';
COMMENT ON COLUMN messages_all.file IS '[pii] Path of the export; second key of the order, null for a live message';
COMMENT ON COLUMN messages_all.ordinal IS 'Place in the export, or as received; third key of the order';
COMMENT ON COLUMN messages_all.text IS '[pii] What was said; null for what was taken back';
COMMENT ON COLUMN messages_all.id_ordem_servico IS 'Order of the session that the message stands in';

-- The best messages for what was typed, most relevant first, newest first among equals; source 'webhook' marks a live
-- message. `service_order` finds what was said in the sessions linked to that order.
CREATE OR REPLACE FUNCTION search_messages(
    words text, contact bigint DEFAULT NULL, service_order bigint DEFAULT NULL,
    since timestamp DEFAULT NULL, until timestamp DEFAULT NULL, direction text DEFAULT NULL,
    max_results integer DEFAULT 20, mark_start text DEFAULT '«', mark_end text DEFAULT '»'
) RETURNS TABLE (
    source text, message_id bigint, id_contato bigint, chat_id bigint, sent_at timestamp, side text,
    rank real, snippet text
) LANGUAGE plpgsql STABLE SET plan_cache_mode = force_custom_plan AS $$
DECLARE
    query tsquery := search_query(words);
    marks text := format('StartSel="%s", StopSel="%s", MaxWords=30, MinWords=10', mark_start, mark_end);
BEGIN
    RETURN QUERY
    WITH best AS (
        SELECT v.source, v.message_id, v.id_contato, coalesce(v.id_chat_file, v.conversation_id) AS chat, v.at, v.side,
               ts_rank(v.search, query) AS score, v.text, v.file, v.ordinal
          FROM messages_all v
         WHERE v.search @@ query
           AND v.text IS NOT NULL
           AND (search_messages.direction IS NULL OR v.side = search_messages.direction)
           AND (since IS NULL OR v.at >= since)
           AND (until IS NULL OR v.at < until)
           AND (contact IS NULL OR v.id_contato = contact)
           AND (service_order IS NULL OR v.id_ordem_servico = service_order)
         ORDER BY score DESC, v.at DESC, v.file DESC, v.ordinal DESC
         LIMIT max_results
    )
    SELECT b.source, b.message_id, b.id_contato, b.chat, b.at, b.side, b.score,
           ts_headline('portuguese_unaccent', left(b.text, 20000), query, marks)
      FROM best b
     ORDER BY b.score DESC, b.at DESC, b.file DESC, b.ordinal DESC;
END $$;

-- Who reads conversation_contact_messages reads what came in its place, before anybody runs `grants` again.
DO $$
DECLARE
    reader text;
BEGIN
    FOR reader IN
        SELECT DISTINCT a.grantee::regrole::text
          FROM pg_class v, aclexplode(v.relacl) a
         WHERE v.oid = 'conversation_contact_messages'::regclass AND a.privilege_type = 'SELECT'
           AND a.grantee NOT IN (0, v.relowner)
    LOOP
        EXECUTE format('GRANT SELECT ON messages_all, sessions_all TO %s', reader);
    END LOOP;
END $$;

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
