-- Per file: how many of its messages are marked, and, when all are, the file that holds most of them.
WITH counted AS (
    SELECT m.id_chat_file AS id, count(m.duplicate_of)::int AS marked, count(*) AS total,
           mode() WITHIN GROUP (ORDER BY o.id_chat_file) AS mostly
    FROM chat_messages m LEFT JOIN chat_messages o ON o.id = m.duplicate_of
    WHERE m.id_chat_file = ANY(%s)
    GROUP BY m.id_chat_file
)
UPDATE chat_files f SET
    duplicate_count = c.marked, duplicate_of = CASE WHEN c.marked = c.total THEN c.mostly END, updated_at = now()
FROM counted c
WHERE f.id = c.id
  AND (f.duplicate_count, f.duplicate_of)
      IS DISTINCT FROM (c.marked, CASE WHEN c.marked = c.total THEN c.mostly END)
