-- Live conversations without a sure contact, and their sessions without a sure order, the most valuable first
-- (review_value). What the reviewer put off is left out until it is due.
WITH conversations_in_doubt AS (
    SELECT c.id, NULL::int AS session_number, c.match_status AS status, c.match_flags AS flags, c.id_contato,
           (SELECT count(*) FROM conversation_messages m WHERE m.conversation_id = c.id) AS messages,
           (SELECT min(m.local_time) FROM conversation_messages m WHERE m.conversation_id = c.id) AS first_at,
           (SELECT max(m.local_time) FROM conversation_messages m WHERE m.conversation_id = c.id) AS last_at,
           k.mass, k.candidates
      FROM conversations c
     CROSS JOIN LATERAL (
            SELECT coalesce(sum(m.confidence), 0) AS mass,
                   coalesce(jsonb_agg(jsonb_build_object(
                       'id', m.id_contato, 'nome', coalesce(k.nome, ''), 'fantasia', coalesce(k.fantasia, ''),
                       'celular', coalesce(k.celular::text, ''), 'telefone', coalesce(k.telefone::text, ''),
                       'confidence', m.confidence, 'method', m.method, 'evidence', m.evidence) ORDER BY m.rank), '[]')
                       AS candidates
              FROM conversation_candidates m JOIN contatos k ON k.id = m.id_contato
             WHERE m.id_conversation = c.id) k
     WHERE NOT c.is_group AND c.match_status IN ('pending', 'unmatched', 'proposed', 'ambiguous')
), sessions_in_doubt AS (
    SELECT c.id, s.number, s.order_match_status, s.order_flags, c.id_contato, s.message_count::bigint, s.started_at,
           s.ended_at, k.mass, k.candidates
      FROM conversations c
      JOIN chat_sessions s ON s.id_conversation = c.id
     CROSS JOIN LATERAL (
            SELECT coalesce(sum(m.confidence), 0) AS mass,
                   coalesce(jsonb_agg(jsonb_build_object(
                       'id', o.id, 'numero', coalesce(o.numero_ordem_servico::text, ''),
                       'situacao', coalesce(o.situacao::text, ''), 'equipamento', coalesce(o.equipamento::text, ''),
                       'data_emissao', coalesce(o.data_emissao::date::text, ''),
                       'confidence', m.confidence, 'method', m.method, 'evidence', m.evidence) ORDER BY m.rank), '[]')
                       AS candidates
              FROM order_candidates m JOIN ordens_servico o ON o.id = m.id_ordem_servico
             WHERE m.id_chat_session = s.id) k
     WHERE c.match_status IN ('linked', 'manual') AND c.id_contato IS NOT NULL
       AND s.order_match_status IN ('proposed', 'unmatched')
       AND EXISTS (SELECT FROM ordens_servico o WHERE o.id_contato = c.id_contato)
)
SELECT i.id, '' AS month, coalesce(c.profile_name, c.external_id), 'live conversation ' || i.id, 1, i.session_number,
       (SELECT p.phone_key FROM conversation_identities p
         WHERE p.conversation_id = i.id AND p.phone_key IS NOT NULL
         ORDER BY p.value = c.external_id DESC, p.value LIMIT 1),
       i.status, i.flags, i.id_contato, i.messages, i.first_at, i.last_at, i.candidates
  FROM (SELECT * FROM conversations_in_doubt UNION ALL SELECT * FROM sessions_in_doubt) i
  JOIN conversations c ON c.id = i.id
 WHERE NOT EXISTS (
        SELECT FROM review_snoozes z
         WHERE z.id_conversation = i.id AND z.session_number IS NOT DISTINCT FROM i.session_number
           AND z.reviewer = %(reviewer)s AND z.until > now())
 ORDER BY review_value(i.messages, i.mass, i.session_number IS NOT NULL) DESC, i.last_at DESC NULLS LAST, i.id,
          i.session_number NULLS FIRST
 LIMIT %(limit)s
