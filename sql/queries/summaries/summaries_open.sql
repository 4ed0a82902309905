-- Open matters: unanswered messages, and linked orders with their state.
WITH spoken AS MATERIALIZED (
    SELECT id_contato, max(seq) FILTER (WHERE direction = 'to') AS last_staff_seq
      FROM work_talk
     GROUP BY id_contato
), waiting AS (
    -- Messages of the customer after the last one of staff, without courtesies and praise.
    SELECT DISTINCT ON (t.id_contato) t.id_contato, t.at, t.ref
      FROM work_talk t
      JOIN spoken s USING (id_contato)
     WHERE t.direction = 'from' AND NOT t.closes AND t.seq > coalesce(s.last_staff_seq, 0)
     ORDER BY t.id_contato, t.seq
), linked_orders AS (
    SELECT DISTINCT ON (l.id_contato, o.id) l.id_contato, o.id, o.numero_ordem_servico::text, o.situacao::text,
           o.equipamento, o.data_emissao::date, o.data_conclusao::date,
           o.situacao::text IN ('0', '1', '2', '5', '6') IS TRUE AS is_open,
           (SELECT t.ref FROM work_talk t
             WHERE t.id_contato = l.id_contato AND t.at >= l.said_at ORDER BY t.seq LIMIT 1) AS ref
      FROM (SELECT id_contato, id_ordem_servico, max(started_at) AS said_at
              FROM work_sessions GROUP BY id_contato, id_ordem_servico) l
      JOIN ordens_servico o ON o.id = l.id_ordem_servico
     ORDER BY l.id_contato, o.id, o.data_emissao
), orders AS (
    SELECT id_contato,
           jsonb_agg(jsonb_build_object(
               'id', id, 'number', numero_ordem_servico, 'status', situacao, 'equipment', equipamento,
               'opened', data_emissao, 'closed', data_conclusao, 'evidence', ref,
               'open', is_open)
               ORDER BY data_emissao DESC NULLS LAST, id DESC) AS orders,
           min(data_emissao) FILTER (WHERE is_open) AS open_since
      FROM linked_orders
     GROUP BY id_contato
)
SELECT id_contato, waiting.at AS waiting_since, waiting.ref AS waiting_ref,
       coalesce(orders.orders, '[]') AS orders, orders.open_since::timestamp AS order_open_since
  FROM waiting
  FULL JOIN orders USING (id_contato)
