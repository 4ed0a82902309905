-- Messages that stay: only those that differ. The uniqueness of ordinals is checked when all are moved.
UPDATE chat_messages m SET
    ordinal = i.ordinal, message_timestamp = i.message_timestamp, timestamp_utc = i.timestamp_utc,
    direction = i.direction, sender_name = i.sender_name, sender_phone = i.sender_phone, type = i.type,
    message_text = i.message_text, attachment_name = i.attachment_name, attachment_kind = i.attachment_kind,
    attachment_size = i.attachment_size, attachment_duration = i.attachment_duration,
    reply_timestamp = i.reply_timestamp, responding_to = i.responding_to,
    reply_to_id = coalesce(r.id, CASE WHEN i.reply_timestamp = m.reply_timestamp THEN m.reply_to_id END),
    delivery_status = i.delivery_status, line = i.line, body_hash = i.body_hash, occurrence = i.occurrence
FROM incoming_messages i
LEFT JOIN incoming_messages r ON r.id_chat_file = i.id_chat_file AND r.ordinal = i.reply_ordinal
WHERE m.id = i.id
  AND ((m.ordinal, m.message_timestamp, m.timestamp_utc, m.direction, m.sender_name, m.sender_phone, m.type,
        m.message_text, m.attachment_name, m.attachment_kind, m.attachment_size, m.attachment_duration,
        m.reply_timestamp, m.responding_to, m.delivery_status, m.line, m.body_hash, m.occurrence)
       IS DISTINCT FROM
       (i.ordinal, i.message_timestamp, i.timestamp_utc, i.direction, i.sender_name, i.sender_phone, i.type,
        i.message_text, i.attachment_name, i.attachment_kind, i.attachment_size, i.attachment_duration,
        i.reply_timestamp, i.responding_to, i.delivery_status, i.line, i.body_hash, i.occurrence)
       OR (i.reply_ordinal IS NOT NULL AND r.id IS NOT NULL AND m.reply_to_id IS DISTINCT FROM r.id))
