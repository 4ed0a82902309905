-- The messages of one batch of the chats without a customer, oldest first. The column id_contato holds the key of the chat
-- in work_unlinked, by which the statements on work_messages tell chats apart. The chats are given as lists, so that the
-- view reads only theirs.
INSERT INTO work_messages (id_contato, seq, source, id, at, direction, type, body, text_hash, conversation)
SELECT key, row_number() OVER (PARTITION BY key ORDER BY {message_order}), source, message_id, at, direction, type, body,
       hashtextextended(body, 0), CASE WHEN direction IN ('from', 'to') THEN 1 END
  FROM (
        SELECT coalesce(m.id_chat_file, -m.conversation_id) AS key, m.source, m.message_id, m.at, m.file, m.ordinal,
               speaking_side(m.side, m.type) AS direction, m.type, nullif(m.text, '') AS body
          FROM messages_all m
         WHERE (m.id_chat_file = ANY (%(chats)s) OR m.conversation_id = ANY (%(conversations)s))
           -- An answer of an assistant that was not sent reached no customer, so it is not counted.
           AND m.side IS DISTINCT FROM 'unsent'
  ) said
