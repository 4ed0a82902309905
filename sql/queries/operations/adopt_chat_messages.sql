-- Messages in the order of the user's program. The pipeline adds the messages that the program did not store when it
-- reads the files again.
INSERT INTO chat_messages (id, id_chat_file, ordinal, message_timestamp, timestamp_utc, direction, type, message_text,
                           responding_to, line, body_hash, occurrence)
OVERRIDING SYSTEM VALUE
SELECT m.id, m.id_chat_file, row_number() OVER (PARTITION BY m.id_chat_file ORDER BY m.id), m.message_timestamp,
       m.message_timestamp AT TIME ZONE %(zone)s, CASE m.is_from_customer WHEN true THEN 'from' WHEN false THEN 'to' END,
       'text', m.message_text, m.responding_to, 0, h.body_hash,
       row_number() OVER (PARTITION BY m.id_chat_file, m.message_timestamp, m.is_from_customer, h.body_hash ORDER BY m.id)
FROM plan_chat_messages m JOIN plan_hashes h USING (id) JOIN chat_files f ON f.id = m.id_chat_file
WHERE m.message_timestamp IS NOT NULL
