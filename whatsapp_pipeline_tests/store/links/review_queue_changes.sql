-- {n} is a small number, {s} a status of a chat, {o} one of a session. A statement may find nothing to change.
UPDATE chat_files SET match_status = '{s}', match_confidence = 0.{n}, id_contato = {n} WHERE id % 4 = {n};
UPDATE chat_files SET match_flags = '{{phone_name_disagree}}' WHERE id % 5 = {n};
UPDATE chat_files SET match_flags = '{{shared_phone}}' WHERE id % 5 = {n};
UPDATE chat_files SET message_count = {n}, last_message_at = '2025-01-0{n}' WHERE id = {n};
UPDATE chat_files SET processing_status = 'vanished' WHERE id = {n};
UPDATE chat_files SET processing_status = 'loaded' WHERE id % 3 = 1;
UPDATE chat_files SET duplicate_of = 1 WHERE id = {n} + 1;
UPDATE chat_files SET duplicate_of = NULL;
DELETE FROM chat_files WHERE id = {n} + 10;
INSERT INTO chat_files (filename, file_path, month) VALUES ('n', 'n' || random(), '2025-01');
UPDATE chat_sessions SET order_match_status = '{o}', order_match_confidence = 0.{n} WHERE id % 4 = {n};
UPDATE chat_sessions SET order_flags = '{{order_of_another_contact}}' WHERE id % 3 = {n};
UPDATE chat_sessions SET message_count = 3{n}, ended_at = '2025-02-0{n} 09:00' WHERE number = 2;
DELETE FROM chat_sessions WHERE id % 7 = {n};
INSERT INTO chat_sessions (id_chat_file, number, started_at, ended_at, message_count) SELECT id, 10 * (1 + coalesce((SELECT max(number)
    FROM chat_sessions), 0)), '2025-01-01', '2025-01-02', 5 FROM chat_files WHERE id = {n};
INSERT INTO match_candidates SELECT id, 9, {n}, 0.{n}, 'm', '[]'
    FROM chat_files WHERE id % 3 = 0 ON CONFLICT (id_chat_file, rank) DO UPDATE SET confidence = excluded.confidence;
DELETE FROM match_candidates WHERE id_chat_file % 4 = {n};
UPDATE order_candidates SET confidence = 0.{n} WHERE rank = 1;
DELETE FROM order_candidates WHERE id_chat_session % 4 = {n};
UPDATE conversations SET match_status = '{s}', match_confidence = 0.{n}, id_contato = {n}
    WHERE id % 2 = {n} % 2;
INSERT INTO conversations (external_id, phone_number_id) VALUES ('x' || random(), 'shop');
UPDATE conversations SET is_group = NOT is_group WHERE id = {n};
DELETE FROM conversations WHERE id = {n} + 5;
INSERT INTO conversation_candidates SELECT id, 8, {n}, 0.{n}, 'm', '[]'
    FROM conversations ON CONFLICT (id_conversation, rank) DO UPDATE SET confidence = excluded.confidence;
DELETE FROM conversation_candidates WHERE id_contato = {n};
INSERT INTO conversation_messages (conversation_id, role, type, text, origin, phone_number_id, message_key, sent_at) SELECT id, 'user', 'text', 'x', 'message', 'shop', 'r' || random(), '2025-03-0{n}'
    FROM conversations WHERE id < 4;
UPDATE conversation_messages SET conversation_id = (SELECT min(id) FROM conversations) WHERE id % 5 = {n};
UPDATE conversation_messages SET sent_at = '2025-04-0{n}' WHERE id % 4 = {n};
DELETE FROM conversation_messages WHERE id % 9 = {n};
DELETE FROM contatos WHERE id = {n};
INSERT INTO contatos (id, nome) SELECT n, 'x' FROM generate_series(1, 9) n ON CONFLICT DO NOTHING;
DELETE FROM ordens_servico WHERE id = {n};
INSERT INTO ordens_servico (id, id_contato) SELECT n, n FROM generate_series(1, 9) n ON CONFLICT DO NOTHING
