-- Chats with messages that are neither from nor to the customer.

-- name: examined
SELECT f.month, count(*) AS examined
FROM chat_messages m JOIN chat_files f ON f.id = m.id_chat_file
WHERE f.month = ANY(%(months)s) GROUP BY f.month

-- name: failing
SELECT f.month, f.id AS chat, f.title, f.format, count(*) AS messages
FROM chat_messages m JOIN chat_files f ON f.id = m.id_chat_file
WHERE f.month = ANY(%(months)s) AND m.direction IS NULL
GROUP BY f.id ORDER BY f.month, f.id
