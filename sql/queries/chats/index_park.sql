-- Move every chat of some combined files out of the way, to numbers that no chat of the file has or had.
UPDATE chat_files f SET chat_number = p.parked
FROM (
    SELECT id, greatest(max(chat_number) OVER (PARTITION BY file_path), 1000000)
               + row_number() OVER (PARTITION BY file_path ORDER BY chat_number) AS parked
    FROM chat_files WHERE file_path = ANY(%s)
) p
WHERE f.id = p.id
