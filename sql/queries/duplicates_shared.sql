-- Keys under which two files lie whose times overlap.
SELECT DISTINCT a.chat_key
FROM chat_files a
JOIN chat_files b ON b.chat_key = a.chat_key AND b.id > a.id
    AND b.first_message_at <= a.last_message_at AND b.last_message_at >= a.first_message_at
WHERE a.chat_key = ANY(%s)
