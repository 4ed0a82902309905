-- Contacts with linked, loaded chats and no summary.

-- name: examined
SELECT count(DISTINCT id_contato) AS examined FROM chat_files
WHERE match_status IN ('linked', 'manual') AND id_contato IS NOT NULL AND processing_status = 'loaded'

-- name: failing
SELECT f.id_contato, count(*) AS chats, max(f.last_message_at)::text AS last_message_at
FROM chat_files f
WHERE f.match_status IN ('linked', 'manual') AND f.id_contato IS NOT NULL
  AND f.processing_status = 'loaded' AND f.message_count > 0
  AND NOT EXISTS (SELECT FROM customer_chat_summaries s WHERE s.id_contato = f.id_contato)
GROUP BY f.id_contato ORDER BY f.id_contato
