-- Existing chats: only those that differ. One whose content or title changed, or that came back, is pending.
UPDATE chat_files f SET
    filename = i.filename, month = i.month, file_date = i.file_date, file_time = i.file_time, title = i.title,
    phone_number = i.phone_number, phone_key = i.phone_key, customer_name = i.customer_name,
    reference_os = i.reference_os, devices = i.devices, chat_key = i.chat_key, is_group = i.is_group,
    content_hash = i.content_hash, indexed_hash = i.indexed_hash, size_bytes = i.size_bytes,
    modified_at = i.modified_at, format = i.format, first_message_at = i.first_message_at,
    last_message_at = i.last_message_at, line_count = i.line_count, message_count = i.message_count,
    processing_status = CASE
        WHEN i.processing_status = 'failed' THEN 'failed'
        WHEN f.processing_status IN ('vanished', 'failed')
            OR (f.title, f.file_date, f.phone_key, f.chat_key, f.is_group, f.content_hash, f.indexed_hash)
               IS DISTINCT FROM
               (i.title, i.file_date, i.phone_key, i.chat_key, i.is_group, i.content_hash, i.indexed_hash)
        THEN 'pending' ELSE f.processing_status END,
    updated_at = now()
FROM incoming_chats i
WHERE f.file_path = i.file_path AND f.chat_number = i.chat_number AND i.content_hash IS NOT NULL
  AND ((f.filename, f.month, f.file_date, f.file_time, f.title, f.phone_number, f.phone_key, f.customer_name, f.reference_os,
        f.devices, f.chat_key, f.is_group, f.content_hash, f.indexed_hash, f.size_bytes, f.modified_at, f.format,
        f.first_message_at, f.last_message_at, f.line_count, f.message_count)
       IS DISTINCT FROM
       (i.filename, i.month, i.file_date, i.file_time, i.title, i.phone_number, i.phone_key, i.customer_name, i.reference_os,
        i.devices, i.chat_key, i.is_group, i.content_hash, i.indexed_hash, i.size_bytes, i.modified_at, i.format,
        i.first_message_at, i.last_message_at, i.line_count, i.message_count)
       OR f.processing_status = 'vanished'
       OR (f.processing_status = 'failed') <> (i.processing_status = 'failed'))
