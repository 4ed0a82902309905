-- Commitments with their state on %(today)s; the caller puts in which of them.
SELECT * FROM (
    SELECT k.id_contato, c.nome::text, k.kind, k.side,
           commitment_status(k.kind, k.outcome, k.due_on, %(today)s) AS status, k.said_at, k.amount, k.length, k.due_on,
           k.due_time, k.id_ordem_servico, o.numero_ordem_servico::text, k.source, k.message_id, k.outcome_source,
           k.outcome_id
      FROM commitments k
      LEFT JOIN contatos c ON c.id = k.id_contato
      LEFT JOIN ordens_servico o ON o.id = k.id_ordem_servico
     WHERE (%(contact)s::bigint IS NULL OR k.id_contato = %(contact)s)
       AND (%(since)s::timestamp IS NULL OR k.said_at >= %(since)s)
) listed
 WHERE {condition}
 ORDER BY coalesce(due_on, said_at::date), due_time NULLS LAST, said_at, source, message_id, amount
 LIMIT %(limit)s
