-- Summaries that cite ids which no message has.

-- name: examined
SELECT count(*) AS examined FROM customer_chat_summaries

-- name: failing
SELECT id_contato, count(*) FILTER (WHERE source = 'chat') AS chat_messages_missing,
       count(*) FILTER (WHERE source = 'webhook') AS webhook_messages_missing
FROM (
    SELECT s.id_contato, 'chat' AS source
    FROM customer_chat_summaries s, unnest(s.evidence_message_ids) AS e (id)
    WHERE NOT EXISTS (SELECT FROM chat_messages m WHERE m.id = e.id)
    UNION ALL
    SELECT s.id_contato, 'webhook'
    FROM customer_chat_summaries s, unnest(s.evidence_webhook_ids) AS e (id)
    WHERE NOT EXISTS (SELECT FROM conversation_messages m WHERE m.id = e.id)
) missing
GROUP BY id_contato ORDER BY id_contato
