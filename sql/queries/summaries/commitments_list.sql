-- Commitments with their state on %(today)s; the caller puts in which of them, and their order. Names and order numbers
-- are looked up for the listed ones alone.
SELECT * FROM (
    SELECT k.id_contato, c.nome::text, k.kind, k.side, k.status, k.said_at, k.amount, k.length, k.due_on, k.due_time,
           k.id_ordem_servico, o.numero_ordem_servico::text, k.source, k.message_id, k.outcome_source, k.outcome_id,
           k.id_chat_file, k.conversation_id, k.number
      FROM (
            SELECT * FROM (
                SELECT *, commitment_status(kind, outcome, due_on, %(today)s) AS status
                  FROM commitments
                 WHERE (%(contact)s::bigint IS NULL OR id_contato = %(contact)s)
                   AND (%(since)s::timestamp IS NULL OR said_at >= %(since)s)
            ) dated
             WHERE {condition}
             ORDER BY {order}
             LIMIT %(limit)s
      ) k
      LEFT JOIN contatos c ON c.id = k.id_contato
      LEFT JOIN ordens_servico o ON o.id = k.id_ordem_servico
) listed
 ORDER BY {order}
