-- Inputs of linking the chats of %(month)s from the chats: their rows, sessions and phones, by content.
WITH chats AS MATERIALIZED (
    SELECT id, file_path, chat_number, title, phone_number, phone_key, customer_name, reference_os, devices,
           is_group, coalesce(first_message_at, file_date)::date AS first_day,
           coalesce(last_message_at, file_date)::date AS last_day
    FROM chat_files WHERE month = %(month)s AND processing_status <> 'vanished'
)
SELECT (SELECT sum(hashint8extended(hash_record_extended(c, 0), 0)) FROM chats c),
       (SELECT sum(hashint8extended(hash_record_extended(
            ROW(s.id_chat_file, s.order_numbers, s.devices), 0), 0))
        FROM chats c CROSS JOIN LATERAL (SELECT * FROM chat_sessions s WHERE s.id_chat_file = c.id OFFSET 0) s),
       (SELECT sum(hashint8extended(hash_record_extended(
            ROW(p.id_chat_file, p.raw, p.key, p.kind, p.occurrences), 0), 0))
        FROM chats c CROSS JOIN LATERAL (SELECT * FROM chat_phones p WHERE p.id_chat_file = c.id OFFSET 0) p)
