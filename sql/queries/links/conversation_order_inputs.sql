-- Those of some conversations whose sessions have to be linked to orders: sessions, contact, orders, decisions or rules
-- changed.
WITH sessions AS (
    SELECT s.id_conversation AS id,
           bit_xor(hash_record_extended(ROW(s.number, s.started_at, s.ended_at, s.order_numbers, s.devices, s.stages), 0))
               AS h
      FROM chat_sessions s WHERE s.id_conversation = ANY (%(conversations)s) GROUP BY s.id_conversation
), contacts AS (
    SELECT c.id, coalesce(c.id_contato, m.id_contato) AS id_contato,
           CASE WHEN c.id_contato IS NULL THEN m.confidence ELSE 1 END AS confidence
      FROM conversations c
      LEFT JOIN conversation_candidates m
        ON m.id_conversation = c.id AND m.rank = 1 AND c.match_status = 'proposed'
     WHERE c.id = ANY (%(conversations)s)
), orders AS (
    SELECT o.id_contato,
           bit_xor(hash_record_extended(ROW(o.id, o.numero_ordem_servico, o.data_emissao, o.data_conclusao,
                                            o.equipamento, o.linha_dispositivo), 0)) AS h
      FROM ordens_servico o
     WHERE o.id_contato IN (SELECT id_contato FROM contacts)
     GROUP BY o.id_contato
), named AS (
    SELECT s.id_conversation AS id, bit_xor(hash_record_extended(ROW(o.id, o.id_contato, o.data_emissao), 0)) AS h
      FROM chat_sessions s
     CROSS JOIN LATERAL unnest(s.order_numbers) AS n(number)
      JOIN ordens_servico o ON ltrim(o.numero_ordem_servico::text, '0') = n.number
     WHERE s.id_conversation = ANY (%(conversations)s)
     GROUP BY s.id_conversation
), decisions AS (
    SELECT i.conversation_id AS id, string_agg(DISTINCT o.id::text, ',') AS ids
      FROM link_overrides o
      JOIN conversation_identities i
        ON o.target_kind = 'conversation' AND o.target = i.phone_number_id || '/' || i.canonical
        OR o.target_kind = 'phone' AND o.target = i.phone_key
     WHERE i.conversation_id = ANY (%(conversations)s)
       AND o.removed_at IS NULL AND o.decision IN ('order', 'no_order', 'not_order')
     GROUP BY i.conversation_id
), inputs AS (
    SELECT s.id, md5(concat_ws('|', %(rules)s::text, s.h, k.id_contato, k.confidence, o.h, n.h, d.ids)) AS inputs
      FROM sessions s
      JOIN contacts k USING (id)
      LEFT JOIN orders o USING (id_contato)
      LEFT JOIN named n USING (id)
      LEFT JOIN decisions d USING (id)
)
SELECT c.id, i.inputs
  FROM inputs i JOIN conversations c USING (id)
 WHERE NOT c.is_group AND c.order_inputs IS DISTINCT FROM i.inputs
 ORDER BY c.id
   FOR UPDATE OF c SKIP LOCKED
