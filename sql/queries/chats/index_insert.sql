-- Chats seen for the first time.
INSERT INTO chat_files (
    filename, file_path, chat_number, month, file_date, file_time, title, phone_number, phone_key, customer_name,
    reference_os, devices, chat_key, is_group, content_hash, indexed_hash, size_bytes, modified_at, format,
    parse_options, first_message_at, last_message_at, line_count, message_count, processing_status
)
SELECT filename, file_path, chat_number, month, file_date, file_time, title, phone_number, phone_key, customer_name,
       reference_os, devices, chat_key, is_group, content_hash, indexed_hash, size_bytes, modified_at, format,
       parse_options, first_message_at, last_message_at, line_count, message_count, processing_status
FROM incoming_chats i
WHERE NOT EXISTS (
    SELECT FROM chat_files f WHERE f.file_path = i.file_path AND f.chat_number = i.chat_number
)
  AND NOT (i.content_hash IS NULL AND EXISTS (SELECT FROM chat_files f WHERE f.file_path = i.file_path))
ORDER BY file_path, chat_number
