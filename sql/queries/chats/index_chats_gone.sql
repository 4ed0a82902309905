-- Chats that a file which was read no longer holds.
UPDATE chat_files f SET processing_status = 'vanished', updated_at = now()
WHERE f.file_path IN (SELECT file_path FROM incoming_chats WHERE content_hash IS NOT NULL)
  AND f.processing_status <> 'vanished'
  AND NOT EXISTS (
      SELECT FROM incoming_chats i WHERE i.file_path = f.file_path AND i.chat_number = f.chat_number
  )
