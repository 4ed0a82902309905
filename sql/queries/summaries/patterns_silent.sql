-- Customers who wrote nothing more after their latest quote. A day after it still belongs to the same talk.
SELECT q.id_contato, c.nome::text, q.amount, q.said_at, %(today)s::date - q.said_at::date AS days
  FROM (SELECT DISTINCT ON (id_contato) * FROM commitments WHERE kind = 'price_quoted'
         ORDER BY id_contato, said_at DESC, amount DESC) q
  JOIN customer_chat_summaries s ON s.id_contato = q.id_contato
  LEFT JOIN contatos c ON c.id = q.id_contato
 WHERE q.outcome IS NULL AND s.last_speaker = 'staff' AND s.last_interaction_date <= q.said_at + interval '1 day'
   AND q.said_at::date <= %(today)s::date - %(days)s::int
 ORDER BY q.said_at DESC, q.id_contato LIMIT %(limit)s
