-- migrate:up

-- How much a person's decision is worth, in one place: every queue of `review` and of the console orders by it.
CREATE FUNCTION review_value(messages bigint, mass double precision, is_session boolean) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (messages + 1) * least(greatest(mass, 0.05), 1) * CASE WHEN is_session THEN 0.5 ELSE 1 END;
COMMENT ON FUNCTION review_value(bigint, double precision, boolean) IS
    'Messages (plus 1) that a decision places, times the chance that it places them: the sum of the candidates'' '
    'confidence (mass), at least 0.05 and at most 1; a session''s order counts half of a chat''s customer';

-- Everything in the archive and live that waits for a person, without the detail to decide by.
CREATE VIEW review_items AS
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
   AND EXISTS (SELECT FROM ordens_servico o WHERE o.id_contato = f.id_contato);
CREATE INDEX chat_files_in_doubt_idx ON chat_files (id)
    WHERE match_status IN ('ambiguous', 'proposed', 'unmatched', 'pending');
CREATE INDEX chat_sessions_in_doubt_idx ON chat_sessions (id_chat_file)
    WHERE order_match_status IN ('proposed', 'unmatched', 'pending');
COMMENT ON VIEW review_items IS
    'Chats without a sure customer and sessions without a sure order, each with the value of deciding it';
COMMENT ON COLUMN review_items.session_number IS 'The session whose order is in doubt; null: whose chat it is';
COMMENT ON COLUMN review_items.value IS 'By review_value: the highest is decided first';

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
