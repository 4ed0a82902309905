-- One live conversation, or one of its sessions, with all that a person decides by: its link now, its candidates with what is known
-- of them, and the decisions in force about it.
SELECT 'webhook' AS source, f.id, s.number AS session_number, coalesce(f.profile_name, f.external_id) AS title,
       '' AS month, f.is_group,
       CASE WHEN s.id IS NULL THEN f.match_status ELSE s.order_match_status END AS status,
       CASE WHEN s.id IS NULL THEN f.match_flags ELSE s.order_flags END AS flags,
       f.id_contato, own.nome::text AS customer,
       s.id_ordem_servico,
       coalesce(s.message_count::bigint, said.messages) AS messages,
       coalesce(s.started_at, said.first_at) AS first_at, coalesce(s.ended_at, said.last_at) AS last_at,
       CASE WHEN s.id IS NULL THEN (
           SELECT coalesce(jsonb_agg(jsonb_build_object(
                      'id', k.id, 'name', k.nome, 'trade_name', k.fantasia,
                      'phones', concat_ws(', ', nullif(k.celular::text, ''), nullif(k.telefone::text, '')),
                      'orders', (SELECT count(*) FROM ordens_servico o WHERE o.id_contato = k.id),
                      'last_at', (SELECT to_char(y.last_interaction_date, 'DD/MM/YYYY')
                                    FROM customer_chat_summaries y WHERE y.id_contato = k.id),
                      'confidence', m.confidence, 'method', m.method, 'evidence', m.evidence) ORDER BY m.rank), '[]')
             FROM (SELECT * FROM conversation_candidates WHERE id_conversation = f.id ORDER BY rank LIMIT 9) m
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
  FROM conversations f
 CROSS JOIN LATERAL (
       SELECT count(*) AS messages, min(m.local_time) AS first_at, max(m.local_time) AS last_at
         FROM conversation_messages m WHERE m.conversation_id = f.id) said
  LEFT JOIN chat_sessions s ON s.id_conversation = f.id AND s.number = %(session)s
  LEFT JOIN contatos own ON own.id = f.id_contato
 WHERE f.id = %(id)s AND (%(session)s::int IS NULL OR s.id IS NOT NULL)
