-- The loaded files of some chats: (id, rank within the chat, overlaps another loaded one, has marks now).
WITH loaded AS (
    SELECT id, chat_key, first_message_at, last_message_at, duplicate_count > 0 OR duplicate_of IS NOT NULL AS marked,
           row_number() OVER (
               PARTITION BY chat_key ORDER BY processing_status = 'vanished', month, file_path, chat_number
           ) AS rank
    FROM chat_files WHERE chat_key = ANY(%s) AND loaded_hash IS NOT NULL
)
SELECT a.id, a.rank,
       EXISTS (
           SELECT FROM loaded b WHERE b.chat_key = a.chat_key AND b.id <> a.id
             AND b.first_message_at <= a.last_message_at AND b.last_message_at >= a.first_message_at
       ) AS overlaps,
       a.marked
FROM loaded a
