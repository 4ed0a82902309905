-- Chats whose title, header phones, name or order number point to different contacts.

-- name: examined
SELECT month, count(*) AS examined FROM chat_files
WHERE month = ANY(%(months)s) AND match_status <> 'group' AND processing_status <> 'vanished' GROUP BY month

-- name: failing
SELECT month, id AS chat, title, unnest(match_flags) AS flag, match_method AS method
FROM chat_files
WHERE month = ANY(%(months)s) AND match_flags <> '{}' AND processing_status <> 'vanished'
ORDER BY month, id
