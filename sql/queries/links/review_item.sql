-- One chat, or one of its sessions, with all that a person decides by: its link now, its candidates with what is known
-- of them, and the decisions in force about it.
SELECT 'chat' AS source, f.id, s.number AS session_number, f.title, f.month, f.is_group,
       CASE WHEN s.id IS NULL THEN f.match_status ELSE s.order_match_status END AS status,
       CASE WHEN s.id IS NULL THEN f.match_flags ELSE s.order_flags END AS flags,
       f.id_contato, own.nome::text AS customer,
       CASE WHEN s.id IS NULL THEN f.id_ordem_servico ELSE s.id_ordem_servico END AS id_ordem_servico,
       coalesce(CASE WHEN s.id IS NULL THEN f.message_count ELSE s.message_count END, 0) AS messages,
       coalesce(s.started_at, f.first_message_at) AS first_at, coalesce(s.ended_at, f.last_message_at) AS last_at,
       CASE WHEN s.id IS NULL THEN (
           SELECT coalesce(jsonb_agg(jsonb_build_object(
                      'id', k.id, 'name', k.nome, 'trade_name', k.fantasia,
                      'phones', concat_ws(', ', nullif(k.celular::text, ''), nullif(k.telefone::text, '')),
                      'orders', (SELECT count(*) FROM ordens_servico o WHERE o.id_contato = k.id),
                      'last_at', (SELECT to_char(y.last_interaction_date, 'DD/MM/YYYY')
                                    FROM customer_chat_summaries y WHERE y.id_contato = k.id),
                      'confidence', m.confidence, 'method', m.method, 'evidence', m.evidence) ORDER BY m.rank), '[]')
             FROM (SELECT * FROM match_candidates WHERE id_chat_file = f.id ORDER BY rank LIMIT 9) m
             JOIN contatos k ON k.id = m.id_contato)
       ELSE (
           SELECT coalesce(jsonb_agg(jsonb_build_object(
                      'id', o.id, 'number', o.numero_ordem_servico, 'status', o.situacao, 'device', o.equipamento,
                      'opened', to_char(o.data_emissao, 'DD/MM/YYYY'),
                      'confidence', m.confidence, 'method', m.method, 'evidence', m.evidence) ORDER BY m.rank), '[]')
             FROM (SELECT * FROM order_candidates WHERE id_chat_session = s.id ORDER BY rank LIMIT 9) m
             JOIN ordens_servico o ON o.id = m.id_ordem_servico)
       END AS candidates,
       ARRAY(SELECT o.id FROM link_overrides o WHERE o.removed_at IS NULL AND {about} ORDER BY o.id) AS decisions
  FROM chat_files f
  LEFT JOIN chat_sessions s ON s.id_chat_file = f.id AND s.number = %(session)s
  LEFT JOIN contatos own ON own.id = f.id_contato
 WHERE f.id = %(id)s AND f.processing_status <> 'vanished' AND (%(session)s::int IS NULL OR s.id IS NOT NULL)
