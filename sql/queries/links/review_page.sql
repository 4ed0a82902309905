-- Items of the review queue from the first or from a place on, without what the reviewer put off: picked in the order of
-- review_queue_value_idx, described after. The caller adds the condition that leaves out what comes before a place.
WITH picked AS (
    SELECT * FROM review_items i
     WHERE (i.source, i.id, i.session) NOT IN (  -- hashed once; no column of it is null
           SELECT CASE WHEN z.id_chat_file IS NULL THEN 'webhook' ELSE 'chat' END,
                  coalesce(z.id_chat_file, z.id_conversation), coalesce(z.session_number, 0)
             FROM review_snoozes z WHERE z.reviewer = %(reviewer)s AND z.until > now()){after}
     ORDER BY (-i.value), (-coalesce(extract(epoch FROM i.last_at)::float8, '-Infinity')), i.source, i.id, i.session
     LIMIT %(limit)s
)
SELECT p.source, p.id, p.session_number,
       CASE p.source WHEN 'chat' THEN (SELECT f.title FROM chat_files f WHERE f.id = p.id)
            ELSE (SELECT coalesce(v.profile_name, v.external_id) FROM conversations v WHERE v.id = p.id) END AS title,
       p.status, p.messages, p.first_at, p.last_at, p.value, c.nome::text AS customer, best.label AS best, best.confidence
  FROM picked p
  LEFT JOIN contatos c ON c.id = p.id_contato
  LEFT JOIN LATERAL (
        (SELECT k.nome::text AS label, m.confidence FROM match_candidates m JOIN contatos k ON k.id = m.id_contato
          WHERE p.source = 'chat' AND p.session = 0 AND m.id_chat_file = p.id AND m.rank = 1)
        UNION ALL
        (SELECT k.nome::text, m.confidence FROM conversation_candidates m JOIN contatos k ON k.id = m.id_contato
          WHERE p.source = 'webhook' AND p.session = 0 AND m.id_conversation = p.id AND m.rank = 1)
        UNION ALL
        (SELECT o.numero_ordem_servico::text, m.confidence
           FROM chat_sessions s
           JOIN order_candidates m ON m.id_chat_session = s.id AND m.rank = 1
           JOIN ordens_servico o ON o.id = m.id_ordem_servico
          WHERE p.session > 0 AND s.number = p.session
            AND (p.source = 'chat' AND s.id_chat_file = p.id OR p.source = 'webhook' AND s.id_conversation = p.id))
       ) best ON true
 ORDER BY p.value DESC, p.last_at DESC NULLS LAST, p.source, p.id, p.session
