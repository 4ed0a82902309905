-- Adopt the summaries of contacts whose messages were adopted, with figures from these messages. The empty input hash
-- makes the first run compute each summary again under its id. A summary without messages is not adopted, because it
-- would be shown without evidence.
WITH spoken AS (
    SELECT f.id_contato, m.message_timestamp AS said, m.direction,
           m.message_timestamp - lag(m.message_timestamp) OVER (
               PARTITION BY f.id_contato ORDER BY {chat_order}) AS pause
    FROM chat_files f JOIN chat_messages m ON m.id_chat_file = f.id WHERE f.id_contato IS NOT NULL
), totals AS (
    SELECT id_contato, min(said) AS first_said, max(said) AS last_said, count(*) AS messages,
           count(*) FILTER (WHERE direction = 'from') AS customer, count(*) FILTER (WHERE direction = 'to') AS staff,
           count(*) FILTER (WHERE pause IS NULL OR pause > interval '24 hours') AS conversations
    FROM spoken GROUP BY id_contato
)
INSERT INTO customer_chat_summaries (id, id_contato, first_interaction_date, last_interaction_date,
    communication_frequency, sentiment_analysis, summary, message_count, customer_messages, staff_messages,
    other_messages, conversation_count, facts, claims, input_hash)
OVERRIDING SYSTEM VALUE
SELECT DISTINCT ON (p.id_contato) p.id, p.id_contato, t.first_said, t.last_said, p.communication_frequency,
       p.sentiment_analysis, p.summary, t.messages, t.customer, t.staff, t.messages - t.customer - t.staff,
       t.conversations, '{}', '[]', ''
FROM plan_customer_chat_summaries p JOIN totals t USING (id_contato)
WHERE p.communication_frequency IN ('frequent', 'regular', 'occasional', 'rare')
  AND p.sentiment_analysis IN ('positive', 'neutral', 'negative') AND p.summary IS NOT NULL
ORDER BY p.id_contato, p.id
