-- Columns of review_item.sql and review_item_live.sql: the candidates of the chat `f` or its session `s`, with what is
-- known of them, and the decisions in force about it. `candidates_of` selects the customers that the chat may be of. A
-- candidate whose evidence is a person's decision is one only while the link is that decision's.
       CASE WHEN s.id IS NULL THEN (
           SELECT coalesce(jsonb_agg(jsonb_build_object(
                      'id', k.id, 'name', k.nome, 'trade_name', k.fantasia,
                      'phones', concat_ws(', ', nullif(k.celular::text, ''), nullif(k.telefone::text, '')),
                      'orders', (SELECT count(*) FROM ordens_servico o WHERE o.id_contato = k.id),
                      'last_at', (SELECT to_char(y.last_interaction_date, 'DD/MM/YYYY')
                                    FROM customer_chat_summaries y WHERE y.id_contato = k.id),
                      'confidence', m.confidence, 'method', m.method, 'evidence', m.evidence) ORDER BY m.rank), '[]')
             FROM (SELECT * FROM {candidates_of}
                      AND (evidence -> 0 ->> 'name' IS DISTINCT FROM 'override'
                           OR f.match_status = 'manual' AND id_contato = f.id_contato)
                    ORDER BY rank LIMIT 9) m
             JOIN contatos k ON k.id = m.id_contato)
       ELSE (
           SELECT coalesce(jsonb_agg(jsonb_build_object(
                      'id', o.id, 'number', o.numero_ordem_servico, 'status', o.situacao, 'device', o.equipamento,
                      'opened', to_char(o.data_emissao, 'DD/MM/YYYY'),
                      'confidence', m.confidence, 'method', m.method, 'evidence', m.evidence) ORDER BY m.rank), '[]')
             FROM (SELECT * FROM order_candidates
                    WHERE id_chat_session = s.id
                      AND (evidence -> 0 ->> 'name' IS DISTINCT FROM 'override'
                           OR s.order_match_status = 'manual' AND id_ordem_servico = s.id_ordem_servico)
                    ORDER BY rank LIMIT 9) m
             JOIN ordens_servico o ON o.id = m.id_ordem_servico)
       END AS candidates,
       ARRAY(SELECT o.id FROM link_overrides o WHERE o.removed_at IS NULL AND {about} ORDER BY o.id) AS decisions
