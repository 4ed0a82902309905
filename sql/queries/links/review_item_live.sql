-- One live conversation, or one of its sessions, with all that a person decides by: its link now, and what
-- review_candidates.sql has.
SELECT 'webhook' AS source, f.id, s.number AS session_number, coalesce(f.profile_name, f.external_id) AS title,
       '' AS month, f.is_group,
       CASE WHEN s.id IS NULL THEN f.match_status ELSE s.order_match_status END AS status,
       CASE WHEN s.id IS NULL THEN f.match_flags ELSE s.order_flags END AS flags,
       f.id_contato, own.nome::text AS customer,
       s.id_ordem_servico,
       coalesce(s.message_count::bigint, said.messages) AS messages,
       coalesce(s.started_at, said.first_at) AS first_at, coalesce(s.ended_at, said.last_at) AS last_at,
{candidates},
       EXISTS (SELECT FROM review_items i
                WHERE i.source = 'webhook' AND i.id = f.id AND i.session = coalesce(s.number, 0)) AS waits
  FROM conversations f
 CROSS JOIN LATERAL (
       SELECT count(*) AS messages, min(m.local_time) AS first_at, max(m.local_time) AS last_at
         FROM conversation_messages m WHERE m.conversation_id = f.id) said
  LEFT JOIN chat_sessions s ON s.id_conversation = f.id AND s.number = %(session)s
  LEFT JOIN contatos own ON own.id = f.id_contato
 WHERE f.id = %(id)s AND (%(session)s::int IS NULL OR s.id IS NOT NULL)
