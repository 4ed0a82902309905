-- The sessions of conversations, as order_sessions has those of chats; the owner's id is negative: no chat has such a
-- one. A contact that is only proposed makes proposals.
SELECT s.id, -c.id AS id_chat_file, s.number, s.started_at::date AS first_day, s.ended_at::date AS last_day,
       s.order_numbers, s.devices, s.stages, coalesce(c.id_contato, m.id_contato) AS id_contato,
       CASE WHEN c.id_contato IS NULL THEN m.confidence ELSE 1 END AS contact_confidence,
       NULL::text AS title_number, '{}'::text[] AS title_devices
FROM chat_sessions s
JOIN conversations c ON c.id = s.id_conversation
LEFT JOIN conversation_candidates m ON m.id_conversation = c.id AND m.rank = 1 AND c.match_status = 'proposed'
WHERE s.id_conversation = ANY (%(conversations)s)
