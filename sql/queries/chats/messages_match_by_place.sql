-- Messages left on both sides with equal place and body: the file was read again with other times or directions.
UPDATE incoming_messages i SET id = m.id
FROM chat_messages m
WHERE i.id IS NULL AND m.id_chat_file = ANY(%(files)s) AND m.id_chat_file = i.id_chat_file
  AND m.ordinal = i.ordinal AND m.body_hash = i.body_hash
  AND NOT EXISTS (SELECT FROM incoming_messages taken WHERE taken.id = m.id)
