-- Point each message of the files given at the same message in the file of the lowest rank; unmark the others.
-- A message's identity: chat, time, direction, in a group the sender, body, and which of several equal ones.
WITH files AS (
    SELECT f.id, f.chat_key, f.is_group, r.rank
    FROM unnest(%s::bigint[], %s::bigint[]) AS r(id, rank) JOIN chat_files f ON f.id = r.id
), numbered AS (
    SELECT m.id, m.duplicate_of, m.message_timestamp, m.direction, m.body_hash, f.chat_key, f.rank,
           CASE WHEN f.is_group THEN coalesce(m.sender_phone, m.sender_name) END AS sender,
           row_number() OVER (
               PARTITION BY m.id_chat_file, m.message_timestamp, m.direction, m.body_hash,
                            CASE WHEN f.is_group THEN coalesce(m.sender_phone, m.sender_name) END
               ORDER BY m.ordinal
           ) AS nth
    FROM files f JOIN chat_messages m ON m.id_chat_file = f.id
), ranked AS (
    SELECT id, duplicate_of,
           first_value(id) OVER (
               PARTITION BY chat_key, message_timestamp, direction, sender, body_hash, nth ORDER BY rank
           ) AS original
    FROM numbered
)
UPDATE chat_messages m SET duplicate_of = nullif(r.original, r.id)
FROM ranked r
WHERE m.id = r.id AND m.duplicate_of IS DISTINCT FROM nullif(r.original, r.id)
