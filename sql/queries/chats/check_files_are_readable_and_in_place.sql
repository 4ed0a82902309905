-- Files that could not be read, or whose name or folder is wrong. The statement counts files, because
-- one file can have several findings. A file in no month's folder has no month. Deleted files have a check
-- of their own.

-- name: examined
SELECT month, count(*) AS examined FROM (
    SELECT month, file_path FROM chat_files WHERE month = ANY(%(months)s)
    UNION SELECT month, file_path FROM exceptions
    WHERE stage = 'chat_file_index' AND severity <> 'info' AND kind <> 'vanished'
      AND (month = ANY(%(months)s) OR month IS NULL)
) AS files GROUP BY month

-- name: failing
SELECT month, file_path AS file, string_agg(DISTINCT kind, ', ') AS kinds, left(min(detail), 120) AS detail
FROM exceptions
WHERE stage = 'chat_file_index' AND severity <> 'info' AND kind <> 'vanished'
  AND (month = ANY(%(months)s) OR month IS NULL)
GROUP BY month, file_path
ORDER BY month, kinds, file_path
