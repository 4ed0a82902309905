-- Messages and conversations that are stored twice. The constraints forbid both. This check compares the data
-- itself, by the values that make two rows the same for a reader.

-- name: examined
SELECT count(*) AS examined FROM conversation_messages

-- name: failing
SELECT 'message' AS what, min(id) AS first_id, count(*) AS copies
FROM conversation_messages WHERE provider_id IS NOT NULL
GROUP BY phone_number_id, provider_id HAVING count(*) > 1
UNION ALL
SELECT 'conversation', min(conversation_id), count(DISTINCT conversation_id)
FROM conversation_identities GROUP BY channel, phone_number_id, canonical
HAVING count(DISTINCT conversation_id) > 1
