DELETE FROM chat_sessions s
USING chat_files f, incoming_chats i
WHERE f.file_path = i.file_path AND f.chat_number = i.chat_number AND i.content_hash IS NOT NULL
  AND s.id_chat_file = f.id
  AND NOT EXISTS (
      SELECT FROM incoming_sessions n
      WHERE n.file_path = i.file_path AND n.chat_number = i.chat_number AND n.number = s.number
  )
