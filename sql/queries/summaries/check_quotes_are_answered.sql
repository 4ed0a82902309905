-- Quotes of the last 90 days that the customer has not answered for a week.

-- name: examined
SELECT count(*) AS examined FROM commitments
WHERE kind = 'price_quoted' AND said_at >= %(today)s::date - 90 AND said_at < %(today)s::date - 6
  AND outcome IS DISTINCT FROM 'superseded'

-- name: failing
SELECT k.id_contato, k.id_chat_file, k.conversation_id, k.said_at::date::text AS quoted_on, k.amount::text AS amount, k.id_ordem_servico, k.source, k.message_id
FROM commitments k
WHERE k.kind = 'price_quoted' AND k.outcome IS NULL
  AND k.said_at >= %(today)s::date - 90 AND k.said_at < %(today)s::date - 6
ORDER BY k.said_at, k.id_contato, k.source, k.message_id, k.number
