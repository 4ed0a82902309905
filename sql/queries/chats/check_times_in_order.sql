-- Messages dated before the message above them. Two thirds of real files hold such a pair, nearly all
-- from notifications, so notifications are left out.

-- name: examined
SELECT f.month, count(*) AS examined
FROM chat_messages m JOIN chat_files f ON f.id = m.id_chat_file
WHERE f.month = ANY(%(months)s) AND m.direction <> 'notification' GROUP BY f.month

-- name: failing
SELECT month, chat, title, line, time::text, before::text
FROM (
    SELECT f.month, f.id AS chat, f.title, m.line, m.message_timestamp AS time,
           lag(m.message_timestamp) OVER (PARTITION BY f.id ORDER BY m.ordinal) AS before
    FROM chat_messages m JOIN chat_files f ON f.id = m.id_chat_file
    WHERE f.month = ANY(%(months)s) AND m.direction <> 'notification'
) ordered
WHERE time < before
ORDER BY month, chat, line
