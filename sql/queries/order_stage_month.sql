-- The month's sessions with their chat's contact and title; groups speak of no one's order.
CREATE TEMP TABLE order_linking ON COMMIT DROP AS
SELECT s.id, s.id_chat_file, s.number, s.started_at::date AS first_day, s.ended_at::date AS last_day,
       s.order_numbers, s.devices, s.stages, f.id_contato,
       nullif(ltrim(f.reference_os, '0'), '') AS title_number, f.devices AS title_devices
FROM chat_sessions s JOIN chat_files f ON f.id = s.id_chat_file
WHERE f.month = %(month)s AND f.processing_status <> 'vanished'
