-- Give each incoming message the id it had: same file, time, direction, in a group sender, body, n-th such.
-- The planner expects one pair where there are thousands. So each pair finds its row by its place (ctid): by file and
-- ordinal, every pair would read all incoming messages.
WITH old AS (
    SELECT m.id, m.id_chat_file, m.message_timestamp, m.direction, m.body_hash,
           CASE WHEN f.is_group THEN coalesce(m.sender_phone, m.sender_name) END AS sender,
           row_number() OVER (
               PARTITION BY m.id_chat_file, m.message_timestamp, m.direction, m.body_hash,
                            CASE WHEN f.is_group THEN coalesce(m.sender_phone, m.sender_name) END
               ORDER BY m.ordinal
           ) AS nth
    FROM chat_messages m JOIN chat_files f ON f.id = m.id_chat_file
    WHERE m.id_chat_file = ANY(%(files)s)
), new AS (
    SELECT i.ctid AS place, i.id_chat_file, i.message_timestamp, i.direction, i.body_hash,
           CASE WHEN f.is_group THEN coalesce(i.sender_phone, i.sender_name) END AS sender,
           row_number() OVER (
               PARTITION BY i.id_chat_file, i.message_timestamp, i.direction, i.body_hash,
                            CASE WHEN f.is_group THEN coalesce(i.sender_phone, i.sender_name) END
               ORDER BY i.ordinal
           ) AS nth
    FROM incoming_messages i JOIN chat_files f ON f.id = i.id_chat_file
)
UPDATE incoming_messages i SET id = old.id
FROM new JOIN old ON old.id_chat_file = new.id_chat_file AND old.message_timestamp = new.message_timestamp
    AND old.body_hash = new.body_hash AND old.nth = new.nth
    AND old.direction IS NOT DISTINCT FROM new.direction AND old.sender IS NOT DISTINCT FROM new.sender
WHERE i.ctid = new.place
