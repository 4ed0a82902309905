-- Keys, old and new, of loaded chats whose place among their duplicates may change with this write.
SELECT DISTINCT key
FROM incoming_chats i
JOIN chat_files f ON f.file_path = i.file_path AND f.chat_number = i.chat_number
CROSS JOIN LATERAL (VALUES (f.chat_key), (i.chat_key)) AS keys(key)
WHERE f.loaded_hash IS NOT NULL AND key IS NOT NULL AND i.content_hash IS NOT NULL
  AND ((f.chat_key, f.is_group, f.month) IS DISTINCT FROM (i.chat_key, i.is_group, i.month)
       OR f.filename <> i.filename OR f.processing_status = 'vanished')
