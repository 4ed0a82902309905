-- Summaries whose counts or dates contradict each other, or without text.

-- name: examined
SELECT count(*) AS examined FROM customer_chat_summaries

-- name: failing
SELECT id_contato, message_count, customer_messages + staff_messages + other_messages AS by_side,
       first_interaction_date::text AS first, last_interaction_date::text AS last
FROM customer_chat_summaries
WHERE message_count <> customer_messages + staff_messages + other_messages
   OR first_interaction_date > last_interaction_date OR message_count < 1 OR btrim(summary) = ''
ORDER BY id_contato
