-- Messages that are new in their file.
INSERT INTO chat_messages (
    id, id_chat_file, ordinal, message_timestamp, timestamp_utc, direction, sender_name, sender_phone, type,
    message_text, attachment_name, attachment_kind, attachment_size, attachment_duration, reply_timestamp,
    responding_to, reply_to_id, delivery_status, line, body_hash, occurrence
)
OVERRIDING SYSTEM VALUE
SELECT i.id, i.id_chat_file, i.ordinal, i.message_timestamp, i.timestamp_utc, i.direction, i.sender_name,
       i.sender_phone, i.type, i.message_text, i.attachment_name, i.attachment_kind, i.attachment_size,
       i.attachment_duration, i.reply_timestamp, i.responding_to, r.id, i.delivery_status, i.line, i.body_hash,
       i.occurrence
FROM incoming_messages i
LEFT JOIN incoming_messages r ON r.id_chat_file = i.id_chat_file AND r.ordinal = i.reply_ordinal
WHERE i.is_new
ORDER BY i.id
