-- Ids for the messages that are new in their file, so that replies can point at them.
UPDATE incoming_messages i SET id = n.id, is_new = true
FROM (
    SELECT id_chat_file, ordinal, nextval('chat_messages_id_seq') AS id
    FROM (SELECT id_chat_file, ordinal FROM incoming_messages WHERE id IS NULL ORDER BY 1, 2) ordered
) n
WHERE i.id_chat_file = n.id_chat_file AND i.ordinal = n.ordinal
