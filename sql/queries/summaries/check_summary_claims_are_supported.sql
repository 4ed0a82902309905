-- Sentences of summaries that name neither a message nor an order.

-- name: examined
SELECT coalesce(sum(jsonb_array_length(claims)), 0)::bigint AS examined FROM customer_chat_summaries

-- name: failing
SELECT s.id_contato, claim ->> 'kind' AS kind
FROM customer_chat_summaries s, jsonb_array_elements(s.claims) AS claim
WHERE coalesce(claim -> 'messages', '[]') = '[]' AND coalesce(claim -> 'orders', '[]') = '[]'
ORDER BY 1, 2
