-- Chats whose title holds no phone, no name and no order number.

-- name: examined
SELECT month, count(*) AS examined FROM chat_files
WHERE month = ANY(%(months)s) AND processing_status <> 'vanished' GROUP BY month

-- name: failing
SELECT month, id AS chat, file_path AS file FROM chat_files
WHERE month = ANY(%(months)s) AND processing_status NOT IN ('vanished', 'failed') AND NOT is_group
  AND phone_number IS NULL AND btrim(coalesce(customer_name, '')) = '' AND reference_os IS NULL
ORDER BY month, id
