-- Summaries, and the sums of their conversations, whose counts differ from the messages.

-- name: examined
SELECT count(*) AS examined FROM customer_chat_summaries

-- name: failing
WITH counted AS (
    SELECT id_contato, count(*) AS messages,
           count(*) FILTER (WHERE speaking_side(side, type) = 'from') AS customer,
           count(*) FILTER (WHERE speaking_side(side, type) = 'to') AS staff
    FROM messages_all WHERE id_contato IS NOT NULL AND side IS DISTINCT FROM 'unsent' GROUP BY id_contato
), summed AS (
    SELECT id_contato, sum(message_count) AS messages, count(*) AS conversations
    FROM customer_conversations GROUP BY id_contato
)
SELECT s.id_contato, s.message_count AS in_summary, c.messages AS in_messages,
       s.customer_messages AS customer_in_summary, c.customer AS customer_in_messages,
       s.staff_messages AS staff_in_summary, c.staff AS staff_in_messages,
       s.conversation_count AS conversations_in_summary, k.conversations
FROM customer_chat_summaries s
LEFT JOIN counted c USING (id_contato)
LEFT JOIN summed k USING (id_contato)
WHERE (s.message_count, s.customer_messages, s.staff_messages)
        IS DISTINCT FROM (coalesce(c.messages, 0), coalesce(c.customer, 0), coalesce(c.staff, 0))
   OR s.conversation_count <> coalesce(k.conversations, 0)
   OR s.customer_messages + s.staff_messages <> coalesce(k.messages, 0)
ORDER BY s.id_contato
