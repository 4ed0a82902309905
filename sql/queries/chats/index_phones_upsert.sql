INSERT INTO chat_phones AS p (id_chat_file, raw, key, kind, occurrences)
SELECT f.id, n.raw, n.key, n.kind, n.occurrences
FROM incoming_phones n
JOIN chat_files f ON f.file_path = n.file_path AND f.chat_number = n.chat_number
ON CONFLICT (id_chat_file, raw) DO UPDATE
SET key = EXCLUDED.key, kind = EXCLUDED.kind, occurrences = EXCLUDED.occurrences
WHERE (p.key, p.kind, p.occurrences) IS DISTINCT FROM (EXCLUDED.key, EXCLUDED.kind, EXCLUDED.occurrences)
