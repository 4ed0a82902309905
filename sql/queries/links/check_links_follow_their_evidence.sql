-- Chats linked to another contact than their best candidate.

-- name: examined
SELECT month, count(*) AS examined FROM chat_files
WHERE month = ANY(%(months)s) AND match_status <> 'group' AND processing_status <> 'vanished' GROUP BY month

-- name: failing
SELECT f.month, f.id AS chat, f.title, f.id_contato, c.id_contato AS best_candidate
FROM chat_files f JOIN match_candidates c ON c.id_chat_file = f.id AND c.rank = 1
WHERE f.month = ANY(%(months)s) AND f.match_status = 'linked' AND f.match_method <> 'override'
  AND f.id_contato <> c.id_contato AND f.processing_status <> 'vanished'
ORDER BY f.month, f.id
