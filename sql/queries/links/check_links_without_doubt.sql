-- Chats with several plausible contacts, or one that is not sure enough.

-- name: examined
SELECT month, count(*) AS examined FROM chat_files
WHERE month = ANY(%(months)s) AND match_status <> 'group' AND processing_status <> 'vanished' GROUP BY month

-- name: failing
SELECT f.month, f.id AS chat, f.title, f.match_status AS status,
       round(f.match_confidence::numeric, 3) AS confidence,
       (SELECT count(*) FROM match_candidates c WHERE c.id_chat_file = f.id) AS candidates
FROM chat_files f
WHERE f.month = ANY(%(months)s) AND f.match_status IN ('ambiguous', 'proposed') AND f.processing_status <> 'vanished'
ORDER BY f.month, f.match_confidence DESC NULLS LAST, f.id
