-- One chat, or one of its sessions, with all that a person decides by: its link now, and what
-- review_candidates.sql has.
SELECT 'chat' AS source, f.id, s.number AS session_number, f.title, f.month, f.is_group,
       CASE WHEN s.id IS NULL THEN f.match_status ELSE s.order_match_status END AS status,
       CASE WHEN s.id IS NULL THEN f.match_flags ELSE s.order_flags END AS flags,
       f.id_contato, own.nome::text AS customer,
       CASE WHEN s.id IS NULL THEN f.id_ordem_servico ELSE s.id_ordem_servico END AS id_ordem_servico,
       coalesce(CASE WHEN s.id IS NULL THEN f.message_count ELSE s.message_count END, 0) AS messages,
       coalesce(s.started_at, f.first_message_at) AS first_at, coalesce(s.ended_at, f.last_message_at) AS last_at,
{candidates},
       EXISTS (SELECT FROM review_items i
                WHERE i.source = 'chat' AND i.id = f.id AND i.session = coalesce(s.number, 0)) AS waits
  FROM chat_files f
  LEFT JOIN chat_sessions s ON s.id_chat_file = f.id AND s.number = %(session)s
  LEFT JOIN contatos own ON own.id = f.id_contato
 WHERE f.id = %(id)s AND f.processing_status <> 'vanished' AND (%(session)s::int IS NULL OR s.id IS NOT NULL)
