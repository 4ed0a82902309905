-- Chats of files that can't be read now: what was known of them stays, without a hash so that they are retried.
UPDATE chat_files f SET
    processing_status = 'failed', content_hash = NULL, size_bytes = i.size_bytes, modified_at = i.modified_at,
    updated_at = now()
FROM (SELECT DISTINCT file_path, size_bytes, modified_at FROM incoming_chats WHERE content_hash IS NULL) i
WHERE f.file_path = i.file_path
  AND (f.processing_status <> 'failed' OR f.content_hash IS NOT NULL
       OR (f.size_bytes, f.modified_at) IS DISTINCT FROM (i.size_bytes, i.modified_at))
