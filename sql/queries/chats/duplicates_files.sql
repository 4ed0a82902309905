-- The loaded files of some chats: (id, rank within the chat, overlaps another loaded one, has marks now).
-- A file overlaps one that began before it and has not ended, or the one that begins next before it ends.
SELECT id,
       row_number() OVER (
           PARTITION BY chat_key ORDER BY processing_status = 'vanished', month, file_path, chat_number
       ) AS rank,
       coalesce(
           first_message_at <= max(last_message_at) OVER (in_time ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
           OR last_message_at >= lead(first_message_at) OVER in_time, false
       ) AS overlaps,
       duplicate_count > 0 OR duplicate_of IS NOT NULL AS marked
FROM chat_files
WHERE chat_key = ANY(%s) AND loaded_hash IS NOT NULL
WINDOW in_time AS (PARTITION BY chat_key ORDER BY first_message_at, id)
