-- The chats of %(month)s, or those of %(chats)s, with all that linking asks of them: one row per chat.
CREATE TEMP TABLE linking ON COMMIT DROP AS
WITH chats AS (
    SELECT id, coalesce(title, '') AS title, phone_number, phone_key, customer_name AS name,
           reference_os AS order_reference, devices, is_group,
           coalesce(first_message_at, file_date)::date AS first_day,
           coalesce(last_message_at, file_date)::date AS last_day
    FROM chat_files
    WHERE (month = %(month)s OR id = ANY(%(chats)s)) AND processing_status <> 'vanished'
), headers AS (
    SELECT p.id_chat_file AS id, array_agg(p.key ORDER BY p.occurrences DESC, p.raw) AS keys
    FROM chats c JOIN chat_phones p ON p.id_chat_file = c.id
    WHERE p.key IS NOT NULL AND p.kind NOT IN ('lid', 'service') AND NOT c.is_group
    GROUP BY p.id_chat_file
), seen AS (
    SELECT s.id_chat_file AS id, array_agg(DISTINCT d.device ORDER BY d.device) AS devices
    FROM chats c JOIN chat_sessions s ON s.id_chat_file = c.id, unnest(s.devices) AS d(device)
    GROUP BY s.id_chat_file
), named AS (
    SELECT s.id_chat_file AS id, array_agg(DISTINCT n.number ORDER BY n.number) AS numbers
    FROM chats c JOIN chat_sessions s ON s.id_chat_file = c.id, unnest(s.order_numbers) AS n(number)
    GROUP BY s.id_chat_file
)
SELECT c.*, coalesce(h.keys, '{}') AS header_keys, coalesce(s.devices, '{}') AS seen_devices,
       coalesce(n.numbers, '{}') AS order_numbers
FROM chats c
LEFT JOIN headers h USING (id) LEFT JOIN seen s USING (id) LEFT JOIN named n USING (id)
