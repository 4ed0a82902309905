-- Contacts that have linked messages, in chats or by webhook, and no summary.

-- name: examined
SELECT count(DISTINCT id_contato) AS examined FROM messages_all WHERE id_contato IS NOT NULL

-- name: failing
SELECT m.id_contato, count(*) AS messages FROM messages_all m
WHERE m.id_contato IS NOT NULL
  AND NOT EXISTS (SELECT FROM customer_chat_summaries s WHERE s.id_contato = m.id_contato)
GROUP BY m.id_contato ORDER BY m.id_contato
