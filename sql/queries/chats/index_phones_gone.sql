DELETE FROM chat_phones p
USING chat_files f, incoming_chats i
WHERE f.file_path = i.file_path AND f.chat_number = i.chat_number AND i.content_hash IS NOT NULL
  AND p.id_chat_file = f.id
  AND NOT EXISTS (
      SELECT FROM incoming_phones n
      WHERE n.file_path = i.file_path AND n.chat_number = i.chat_number AND n.raw = p.raw
  )
