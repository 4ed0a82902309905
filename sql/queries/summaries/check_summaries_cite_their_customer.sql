-- Summaries that cite messages which are deleted or belong to another contact.

-- name: examined
SELECT count(*) AS examined FROM customer_chat_summaries

-- name: failing
SELECT s.id_contato, count(*) AS messages_gone
FROM customer_chat_summaries s CROSS JOIN LATERAL (
    SELECT f.id_contato
    FROM unnest(s.evidence_message_ids) AS e (id)
    LEFT JOIN chat_messages m ON m.id = e.id
    LEFT JOIN chat_files f ON f.id = m.id_chat_file
    UNION ALL
    SELECT c.id_contato
    FROM unnest(s.evidence_webhook_ids) AS e (id)
    LEFT JOIN conversation_messages m ON m.id = e.id
    LEFT JOIN conversations c ON c.id = m.conversation_id
) cited
WHERE cited.id_contato IS DISTINCT FROM s.id_contato
GROUP BY s.id_contato ORDER BY s.id_contato
