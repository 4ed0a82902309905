-- Summaries of contacts that no chat or conversation is linked to any more.

-- name: examined
SELECT count(*) AS examined FROM customer_chat_summaries

-- name: failing
SELECT s.id_contato, s.message_count AS messages FROM customer_chat_summaries s
WHERE NOT EXISTS (
          SELECT FROM chat_files f
          WHERE f.id_contato = s.id_contato AND f.match_status IN ('linked', 'manual'))
  AND NOT EXISTS (
          SELECT FROM conversations c
          WHERE c.id_contato = s.id_contato AND c.match_status IN ('linked', 'manual'))
ORDER BY s.id_contato
