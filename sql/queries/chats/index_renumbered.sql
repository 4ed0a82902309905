-- Chats of combined files that the file now holds at another place: (path, id, new number), found by key.
WITH combined AS (
    SELECT file_path FROM incoming_chats GROUP BY file_path HAVING count(*) > 1
), old AS (
    SELECT id, file_path, chat_key, chat_number,
           row_number() OVER (PARTITION BY file_path, chat_key ORDER BY chat_number) AS nth
    FROM chat_files JOIN combined USING (file_path)
), new AS (
    SELECT file_path, chat_key, chat_number,
           row_number() OVER (PARTITION BY file_path, chat_key ORDER BY chat_number) AS nth
    FROM incoming_chats JOIN combined USING (file_path)
), matched AS (
    SELECT file_path, old.id, old.chat_number AS was, new.chat_number AS is_now
    FROM old JOIN new USING (file_path, chat_key, nth)
)
SELECT file_path, id, is_now FROM matched
WHERE file_path IN (SELECT file_path FROM matched WHERE was <> is_now)
