-- Messages from before WhatsApp, from the future, or without an instant in UTC.

-- name: examined
SELECT f.month, count(*) AS examined
FROM chat_messages m JOIN chat_files f ON f.id = m.id_chat_file
WHERE f.month = ANY(%(months)s) GROUP BY f.month

-- name: failing
SELECT f.month, f.id AS chat, f.title, m.line, m.message_timestamp::text AS time
FROM chat_messages m JOIN chat_files f ON f.id = m.id_chat_file
WHERE f.month = ANY(%(months)s)
  AND (m.message_timestamp < '2009-02-01' OR m.message_timestamp > %(now)s::timestamptz::timestamp + interval '1 day'
       OR m.timestamp_utc IS NULL)
ORDER BY f.month, f.id, m.line
