-- Items of the review queue from the first or from a place on, without what the reviewer put off: picked by their value
-- first, described after.
WITH picked AS (
    SELECT * FROM review_items i
     WHERE (i.source, i.id, coalesce(i.session_number, 0)) NOT IN (  -- hashed once; no column of it is null
           SELECT CASE WHEN z.id_chat_file IS NULL THEN 'webhook' ELSE 'chat' END,
                  coalesce(z.id_chat_file, z.id_conversation), coalesce(z.session_number, 0)
             FROM review_snoozes z WHERE z.reviewer = %(reviewer)s AND z.until > now())
       AND (%(is_first)s OR
            (-i.value, -coalesce(extract(epoch FROM i.last_at)::float8, '-Infinity'), i.source, i.id,
             coalesce(i.session_number, 0))
            > (-%(value)s::float8, -coalesce(extract(epoch FROM %(last_at)s::timestamp)::float8, '-Infinity'),
               %(source)s::text, %(id)s::bigint, %(session)s::integer))
     ORDER BY value DESC, last_at DESC NULLS LAST, source, id, session_number NULLS FIRST
     LIMIT %(limit)s
)
SELECT p.source, p.id, p.session_number, coalesce(f.title, v.profile_name, v.external_id) AS title, p.status, p.messages,
       p.first_at, p.last_at, p.value, c.nome::text AS customer, best.label AS best, best.confidence
  FROM picked p
  LEFT JOIN chat_files f ON p.source = 'chat' AND f.id = p.id
  LEFT JOIN conversations v ON p.source = 'webhook' AND v.id = p.id
  LEFT JOIN contatos c ON c.id = p.id_contato
  LEFT JOIN LATERAL (
        (SELECT k.nome::text AS label, m.confidence FROM match_candidates m JOIN contatos k ON k.id = m.id_contato
          WHERE p.session_number IS NULL AND m.id_chat_file = f.id AND m.rank = 1)
        UNION ALL
        (SELECT k.nome::text, m.confidence FROM conversation_candidates m JOIN contatos k ON k.id = m.id_contato
          WHERE p.session_number IS NULL AND m.id_conversation = v.id AND m.rank = 1)
        UNION ALL
        (SELECT o.numero_ordem_servico::text, m.confidence
           FROM chat_sessions s
           JOIN order_candidates m ON m.id_chat_session = s.id AND m.rank = 1
           JOIN ordens_servico o ON o.id = m.id_ordem_servico
          WHERE p.session_number IS NOT NULL AND s.number = p.session_number
            AND (s.id_chat_file = f.id OR s.id_conversation = v.id))
       ) best ON true
 ORDER BY p.value DESC, p.last_at DESC NULLS LAST, p.source, p.id, p.session_number NULLS FIRST
