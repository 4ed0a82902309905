-- Messages that their file no longer holds: (id, file).
DELETE FROM chat_messages m
WHERE m.id_chat_file = ANY(%(files)s)
  AND NOT EXISTS (SELECT FROM incoming_messages i WHERE i.id = m.id)
RETURNING m.id, m.id_chat_file
