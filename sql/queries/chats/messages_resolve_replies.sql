-- Replies that reading left open: the message of the quoted time in the same chat whose text begins as the quote
-- does (it is cut near 98 characters), or that has no text where media were quoted. The file's own come first, then
-- what no other file repeats, then by the files' rank (duplicates_files): whichever was loaded first decides nothing.
UPDATE chat_messages m SET reply_to_id = found.original
FROM (
    SELECT DISTINCT ON (q.id) q.id AS reply, o.id AS original
    FROM chat_messages q
    JOIN chat_files f ON f.id = q.id_chat_file
    JOIN chat_files g ON g.id = f.id OR g.chat_key = f.chat_key
    JOIN chat_messages o ON o.id_chat_file = g.id AND o.message_timestamp = q.reply_timestamp AND o.id <> q.id
    WHERE q.id = ANY(%s) AND o.direction IS DISTINCT FROM 'notification'
      AND (starts_with(o.message_text, rtrim(regexp_replace(q.responding_to, '(\.\.\.|…)\s*$', '')))
           OR (q.responding_to ~ '^\([^()]+\)$' AND o.attachment_kind IS NOT NULL))
    ORDER BY q.id, g.id <> f.id, o.duplicate_of IS NOT NULL,
             g.processing_status = 'vanished', g.month, g.file_path, g.chat_number, o.ordinal
) found
WHERE m.id = found.reply AND m.reply_to_id IS DISTINCT FROM found.original
