-- The data beside a customer's conversation, in one row. The caller inserts the columns that the level may read.
SELECT c.id AS id_contato, c.nome::text, {phones},
       to_jsonb(s) AS summary, d.stale_since, n.note, n.made_by AS note_by, n.made_at AS note_at,
       (SELECT coalesce(jsonb_agg(jsonb_build_array(o.id, o.numero_ordem_servico::text,
                   o.situacao::text, o.equipamento::text, o.data_emissao::date, o.data_conclusao::date)
                   ORDER BY o.data_emissao DESC NULLS LAST, o.id DESC), '[]')
          FROM (SELECT id, numero_ordem_servico, situacao, equipamento, data_emissao, data_conclusao
                  FROM ordens_servico WHERE id_contato = c.id
                 ORDER BY data_emissao DESC NULLS LAST, id DESC LIMIT %(orders)s) o) AS orders,
       (SELECT coalesce(jsonb_object_agg(month, counts), '{}') FROM (
            SELECT month, jsonb_object_agg(sentiment, messages) AS counts FROM (
                SELECT to_char(started_at, 'YYYY-MM') AS month, sentiment,
                       sum(message_count) AS messages
                  FROM customer_conversations v WHERE v.id_contato = c.id GROUP BY 1, 2) m
             GROUP BY month) k) AS months
  FROM contatos c
  LEFT JOIN customer_chat_summaries s ON s.id_contato = c.id
  LEFT JOIN stale_summaries d ON d.id_contato = c.id
  LEFT JOIN customer_notes n ON n.id_contato = c.id
 WHERE c.id = %(id)s
