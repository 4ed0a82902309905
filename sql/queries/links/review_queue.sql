-- The items that wait for a person, the most valuable first (review_value), without those that the reviewer postponed.
WITH chats AS (
    SELECT f.id, f.month, f.title, f.file_path, f.chat_number, NULL::int AS session_number, f.phone_key,
           f.match_status AS status, f.match_flags AS flags, f.id_contato, coalesce(f.message_count, 0) AS messages,
           f.first_message_at AS first_at, f.last_message_at AS last_at, c.mass, c.candidates
    FROM chat_files f
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(m.confidence), 0) AS mass,
               coalesce(jsonb_agg(jsonb_build_object(
                   'id', m.id_contato, 'nome', coalesce(k.nome, ''), 'fantasia', coalesce(k.fantasia, ''),
                   'celular', coalesce(k.celular::text, ''), 'telefone', coalesce(k.telefone::text, ''),
                   'confidence', m.confidence, 'method', m.method, 'evidence', m.evidence) ORDER BY m.rank), '[]')
                   AS candidates
        FROM match_candidates m JOIN contatos k ON k.id = m.id_contato
        WHERE m.id_chat_file = f.id
    ) c
    WHERE f.month = ANY(%(months)s) AND f.processing_status <> 'vanished'
      AND f.match_status IN ('ambiguous', 'proposed', 'unmatched', 'pending')
), sessions AS (
    SELECT f.id, f.month, f.title, f.file_path, f.chat_number, s.number AS session_number, f.phone_key,
           s.order_match_status AS status, s.order_flags AS flags, f.id_contato, s.message_count AS messages,
           s.started_at AS first_at, s.ended_at AS last_at, c.mass, c.candidates
    FROM chat_files f JOIN chat_sessions s ON s.id_chat_file = f.id
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(m.confidence), 0) AS mass,
               coalesce(jsonb_agg(jsonb_build_object(
                   'id', o.id, 'numero', coalesce(o.numero_ordem_servico::text, ''),
                   'situacao', coalesce(o.situacao::text, ''), 'equipamento', coalesce(o.equipamento::text, ''),
                   'data_emissao', coalesce(o.data_emissao::date::text, ''),
                   'confidence', m.confidence, 'method', m.method, 'evidence', m.evidence) ORDER BY m.rank), '[]')
                   AS candidates
        FROM order_candidates m JOIN ordens_servico o ON o.id = m.id_ordem_servico
        WHERE m.id_chat_session = s.id
    ) c
    WHERE f.month = ANY(%(months)s) AND f.processing_status <> 'vanished' AND f.id_contato IS NOT NULL
      AND s.order_match_status IN ('proposed', 'unmatched')
      AND EXISTS (SELECT FROM ordens_servico o WHERE o.id_contato = f.id_contato)
)
SELECT i.id, i.month, coalesce(i.title, ''), i.file_path, i.chat_number, i.session_number, i.phone_key, i.status,
       i.flags, i.id_contato, i.messages, i.first_at, i.last_at, i.candidates
FROM (SELECT * FROM chats UNION ALL SELECT * FROM sessions) i
WHERE NOT EXISTS (
    SELECT FROM review_snoozes z
    WHERE z.id_chat_file = i.id AND z.session_number IS NOT DISTINCT FROM i.session_number
      AND z.reviewer = %(reviewer)s AND z.until > now())
ORDER BY review_value(i.messages, i.mass, i.session_number IS NOT NULL) DESC, i.last_at DESC NULLS LAST, i.id,
         i.session_number NULLS FIRST
LIMIT %(limit)s
