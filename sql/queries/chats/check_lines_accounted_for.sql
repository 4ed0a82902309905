-- Lines that are no separator, label, header or body of a message.

-- name: examined
SELECT month, coalesce(sum(line_count), 0)::bigint AS examined FROM chat_files
WHERE month = ANY(%(months)s) AND processing_status = 'loaded' GROUP BY month

-- name: failing
SELECT month, file_path AS file, line, kind, left(detail, 120) AS detail
FROM exceptions
WHERE stage = 'chat_messages' AND severity = 'error' AND month = ANY(%(months)s)
ORDER BY month, file_path, line
