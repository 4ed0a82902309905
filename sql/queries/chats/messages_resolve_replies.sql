-- Replies that reading left open: the message of the quoted time in the same chat whose text begins as the quote
-- does (it is cut near 98 characters), or that has no text where media were quoted. The file's own come first, then
-- what no other file repeats, then by the files' rank (duplicates_files): whichever was loaded first decides nothing.
-- Each reply looks its time up in the index (OFFSET 0 keeps the planner from another order): of a table that was
-- filled a moment ago it knows nothing, and read all of it, or a whole chat once per reply, for minutes.
UPDATE chat_messages m SET reply_to_id = found.original
FROM (
    SELECT DISTINCT ON (q.id) q.id AS reply, o.id AS original
    FROM chat_messages q
    JOIN chat_files f ON f.id = q.id_chat_file
    CROSS JOIN LATERAL (
        SELECT c.id, c.id_chat_file, c.ordinal, c.duplicate_of, c.message_text, c.attachment_kind
        FROM chat_messages c
        WHERE c.message_timestamp = q.reply_timestamp AND c.id <> q.id
          AND c.direction IS DISTINCT FROM 'notification'
        OFFSET 0
    ) o
    JOIN chat_files g ON g.id = o.id_chat_file AND (g.id = f.id OR g.chat_key = f.chat_key)
    WHERE q.id = ANY(%s)
      AND (starts_with(o.message_text, rtrim(regexp_replace(q.responding_to, '(\.\.\.|…)\s*$', '')))
           OR (q.responding_to ~ '^\([^()]+\)$' AND o.attachment_kind IS NOT NULL))
    ORDER BY q.id, g.id <> f.id, o.duplicate_of IS NOT NULL,
             g.processing_status = 'vanished', g.month, g.file_path, g.chat_number, o.ordinal
) found
WHERE m.id = found.reply AND m.reply_to_id IS DISTINCT FROM found.original
