INSERT INTO chat_sessions (id_chat_file, number, started_at, ended_at, message_count, order_numbers, devices, stages)
SELECT f.id, n.number, n.started_at, n.ended_at, n.message_count, n.order_numbers, n.devices, n.stages
FROM incoming_sessions n
JOIN chat_files f ON f.file_path = n.file_path AND f.chat_number = n.chat_number
WHERE NOT EXISTS (SELECT FROM chat_sessions s WHERE s.id_chat_file = f.id AND s.number = n.number)
ORDER BY f.id, n.number
