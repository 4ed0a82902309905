-- Messages left on both sides with equal place and body: the file was read again with other times or directions.
-- NOT IN makes the server hash the ids once; as a join, it read all incoming messages for each message.
UPDATE incoming_messages i SET id = m.id
FROM chat_messages m
WHERE i.id IS NULL AND m.id_chat_file = ANY(%(files)s) AND m.id_chat_file = i.id_chat_file
  AND m.ordinal = i.ordinal AND m.body_hash = i.body_hash
  AND m.id NOT IN (SELECT taken.id FROM incoming_messages taken WHERE taken.id IS NOT NULL)
