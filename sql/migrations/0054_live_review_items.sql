-- migrate:up

-- Live conversations wait for a person in the same queue as chats, ordered by the same value.
CREATE OR REPLACE VIEW review_items AS
SELECT 'chat' AS source, f.id, NULL::integer AS session_number, f.match_status AS status, f.id_contato,
       coalesce(f.message_count, 0)::bigint AS messages, f.first_message_at AS first_at, f.last_message_at AS last_at,
       review_value(coalesce(f.message_count, 0), (
           SELECT coalesce(sum(m.confidence), 0) FROM match_candidates m WHERE m.id_chat_file = f.id), false) AS value
  FROM chat_files f
 WHERE f.match_status IN ('ambiguous', 'proposed', 'unmatched', 'pending') AND f.processing_status <> 'vanished'
   AND f.duplicate_of IS NULL
UNION ALL
SELECT 'chat', f.id, s.number, s.order_match_status, f.id_contato, s.message_count::bigint, s.started_at, s.ended_at,
       review_value(s.message_count, (
           SELECT coalesce(sum(m.confidence), 0) FROM order_candidates m WHERE m.id_chat_session = s.id), true)
  FROM chat_sessions s
  JOIN chat_files f ON f.id = s.id_chat_file
 WHERE s.order_match_status IN ('proposed', 'unmatched', 'pending') AND f.processing_status <> 'vanished'
   AND f.id_contato IS NOT NULL AND f.match_status IN ('linked', 'manual') AND f.duplicate_of IS NULL
   AND EXISTS (SELECT FROM ordens_servico o WHERE o.id_contato = f.id_contato)
UNION ALL
SELECT 'webhook', c.id, NULL, c.match_status, c.id_contato, said.messages, said.first_at, said.last_at,
       review_value(said.messages, (
           SELECT coalesce(sum(m.confidence), 0) FROM conversation_candidates m WHERE m.id_conversation = c.id), false)
  FROM conversations c
 CROSS JOIN LATERAL (
       SELECT count(*) AS messages, min(m.local_time) AS first_at, max(m.local_time) AS last_at
         FROM conversation_messages m WHERE m.conversation_id = c.id) said
 WHERE NOT c.is_group AND c.match_status IN ('pending', 'unmatched', 'proposed', 'ambiguous')
UNION ALL
SELECT 'webhook', c.id, s.number, s.order_match_status, c.id_contato, s.message_count::bigint, s.started_at, s.ended_at,
       review_value(s.message_count, (
           SELECT coalesce(sum(m.confidence), 0) FROM order_candidates m WHERE m.id_chat_session = s.id), true)
  FROM chat_sessions s
  JOIN conversations c ON c.id = s.id_conversation
 WHERE s.order_match_status IN ('proposed', 'unmatched', 'pending')
   AND c.id_contato IS NOT NULL AND c.match_status IN ('linked', 'manual')
   AND EXISTS (SELECT FROM ordens_servico o WHERE o.id_contato = c.id_contato);
CREATE INDEX conversations_in_doubt_idx ON conversations (id)
    WHERE match_status IN ('ambiguous', 'proposed', 'unmatched', 'pending');
COMMENT ON VIEW review_items IS
    'Chats and live conversations without a sure customer, and sessions without a sure order, each with the value of deciding it';
COMMENT ON COLUMN review_items.source IS 'chat: of the archive; webhook: a live conversation';
COMMENT ON COLUMN review_items.id IS 'The chat''s or the conversation''s id, by source';

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
