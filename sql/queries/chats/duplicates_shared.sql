-- Keys under which two files lie whose times overlap: a file begins before those that began earlier have ended.
-- Key by key, for the few files of each are found by the index whatever the planner thinks of the table.
SELECT DISTINCT key
FROM unnest(%s::text[]) AS key
WHERE EXISTS (
    SELECT
    FROM (
        SELECT first_message_at,
               max(last_message_at) OVER (
                   ORDER BY first_message_at, id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
               ) AS reached
        FROM chat_files
        WHERE chat_key = key AND last_message_at IS NOT NULL
    ) f
    WHERE first_message_at <= reached
)
