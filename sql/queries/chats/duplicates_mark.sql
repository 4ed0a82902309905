-- Find the duplicate flags of messages in the given files that have to change, as (id, the same message in the file of
-- the lowest rank, or NULL), and count them by file. A file whose messages are all flagged is a duplicate of the file
-- that has most of them.
-- The identity of a message: chat, time, direction, in a group the sender, body, and its number among equal messages.
-- The sort begins with the hash, because it nearly always decides and is the fastest to compare.
WITH files AS (
    SELECT f.id, f.is_group, r.rank, dense_rank() OVER (ORDER BY f.chat_key) AS chat
    FROM unnest(%(ids)s::bigint[], %(ranks)s::bigint[]) AS r(id, rank) JOIN chat_files f ON f.id = r.id
), messages AS (
    SELECT m.id, m.id_chat_file, m.ordinal, m.duplicate_of, m.body_hash, m.message_timestamp, m.direction,
           f.chat, f.rank, CASE WHEN f.is_group THEN coalesce(m.sender_phone, m.sender_name) END AS sender
    FROM files f JOIN chat_messages m ON m.id_chat_file = f.id
    WHERE m.id_chat_file = ANY(%(ids)s::bigint[])  -- so the planner uses the index even without statistics
), numbered AS (
    SELECT *, row_number() OVER (
               PARTITION BY body_hash, message_timestamp, chat, direction, sender, id_chat_file ORDER BY ordinal
           ) AS nth
    FROM messages
), ranked AS (
    SELECT id, id_chat_file, duplicate_of,
           first_value(id) OVER same AS original, first_value(id_chat_file) OVER same AS original_file
    FROM numbered
    WINDOW same AS (PARTITION BY body_hash, message_timestamp, chat, direction, sender, nth ORDER BY rank)
), counted AS (
    SELECT id_chat_file, count(*) AS total, count(*) FILTER (WHERE original <> id) AS marked,
           mode() WITHIN GROUP (ORDER BY original_file) FILTER (WHERE original <> id) AS mostly
    FROM ranked GROUP BY id_chat_file
), noted AS (
    UPDATE chat_files f
    SET duplicate_count = c.marked, duplicate_of = CASE WHEN c.marked = c.total THEN c.mostly END, updated_at = now()
    FROM counted c
    WHERE f.id = c.id_chat_file AND f.id = ANY(%(ids)s)
      AND (f.duplicate_count, f.duplicate_of)
          IS DISTINCT FROM (c.marked, CASE WHEN c.marked = c.total THEN c.mostly END)
)
SELECT id, nullif(original, id) FROM ranked WHERE duplicate_of IS DISTINCT FROM nullif(original, id)
