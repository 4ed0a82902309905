-- Filled in by rows.py: the numbers of customers and of messages per chat.
SELECT setseed(0.5);
INSERT INTO contatos (id, nome, celular)
SELECT n, (ARRAY['Ana','Bruno','Carla','Davi','Elisa','Fábio','Gilda','Hugo'])[1 + n % 8] || ' '
          || (ARRAY['Souza','Melo','Araújo','Costa','Dias','Farias','Gomes'])[1 + n / 8 % 7] || ' ' || n,
       '(41) 9' || (80000000 + n)
  FROM generate_series(1, :customers) n;
INSERT INTO contact_phones (id_contato, field, position, key, kind)
SELECT n, 'celular', 1, '41' || (80000000 + n), 'mobile' FROM generate_series(1, :customers) n;
INSERT INTO ordens_servico (id, numero_ordem_servico, situacao, data_emissao, id_contato)
SELECT n, (30000 + n)::text, (n % 8)::text, date '2023-01-01' + n % 1000, 1 + n % :customers
  FROM generate_series(1, :customers) n;
-- One chat per customer. Every 500th customer has a chat of 1,000 messages.
INSERT INTO chat_files (filename, file_path, month, title, id_contato, match_status, processing_status, phone_key,
                        first_message_at, last_message_at)
SELECT 'c' || n, 'c' || n, '2024-0' || 1 + n % 9, 'c' || n, n, 'linked', 'loaded', '41' || (80000000 + n),
       timestamp '2023-01-01' + n % 900 * interval '1 day', timestamp '2023-01-08' + n % 900 * interval '1 day'
  FROM generate_series(1, :customers) n;
INSERT INTO chat_messages (id_chat_file, ordinal, message_timestamp, direction, type, message_text, line, body_hash)
SELECT f.id, n, f.first_message_at + n * interval '7 minutes', CASE WHEN n % 3 = 0 THEN 'to' ELSE 'from' END,
       'text',
       (SELECT string_agg('palavra' || floor(20000 * power(random(), 3) + w * 0), ' ')
          FROM generate_series(1, 8 + n * 0) w)
       || CASE WHEN random() < 0.33 THEN ' comum' ELSE '' END || CASE WHEN random() < 0.01 THEN ' medio' ELSE '' END
       || CASE WHEN random() < 0.001 THEN ' raro' ELSE '' END
       || CASE WHEN random() < 0.014 THEN ' bastante' ELSE '' END, n, n
  FROM chat_files f, generate_series(1, CASE WHEN f.id_contato % 500 = 0 THEN 1000 ELSE :per_chat END) n;
INSERT INTO chat_sessions (id_chat_file, number, started_at, ended_at, message_count, id_ordem_servico,
                           order_match_status, order_match_method, order_match_confidence)
SELECT id_chat_file, 1, min(message_timestamp), max(message_timestamp), count(*), id_chat_file, 'linked', 'model', 0.9
  FROM chat_messages GROUP BY id_chat_file;
INSERT INTO customer_chat_summaries (id_contato, first_interaction_date, last_interaction_date,
    communication_frequency, sentiment_analysis, summary, message_count, customer_messages, staff_messages,
    other_messages, conversation_count, facts, claims, input_hash)
SELECT n, '2023-01-01', '2024-01-01', 'regular', 'neutral', 'x', 20, 10, 10, 0, 1, '{}',
       '[{"text": "Pediu um prazo.", "kind": "topics", "messages": ["chat:1"], "orders": []}]', 'h'
  FROM generate_series(1, :customers) n;
-- One customer in ten has something open, one in three of these waits for an answer, and some cases are handled.
UPDATE customer_chat_summaries
   SET open_since = timestamp '2024-01-01' + id_contato * interval '11 minutes',
       open_reasons = CASE WHEN id_contato % 3 = 0 THEN '{unanswered}'::text[] ELSE '{order}' END
 WHERE id_contato % 10 = 0;
INSERT INTO handled_cases (id_contato, until, note, made_by)
SELECT n, current_date + 3, 'ligamos', 'bench' FROM generate_series(10, :customers, 500) n;
-- One message in twenty promises something; the promises end today.
INSERT INTO commitments (source, message_id, number, id_contato, kind, side, said_at, amount, due_on, evidence_start,
                         evidence_end)
SELECT 'chat', m.id, 1, f.id_contato, CASE m.id % 3 WHEN 0 THEN 'price_quoted' ELSE 'deadline_promised' END, 'staff',
       current_date - (m.id % 900)::int * interval '1 day', CASE WHEN m.id % 3 = 0 THEN 150 END,
       CASE WHEN m.id % 3 > 0 THEN current_date - (m.id % 900)::int + 7 END, 0, 5
  FROM chat_messages m JOIN chat_files f ON f.id = m.id_chat_file WHERE m.id % 20 = 0;
-- Results of 60 checks in ten years.
INSERT INTO qa_results (check_name, month, examined, failing, severity, run_id, evaluated_at)
SELECT 'check_' || k, to_char(date '2015-01-01' + n * interval '1 month', 'YYYY-MM'), 1000, CASE (k + n) % 20 WHEN 0 THEN 3 ELSE 0 END,
       CASE WHEN k % 2 = 0 THEN 'error' ELSE 'warn' END, 'run', now()
  FROM generate_series(1, 60) k, generate_series(0, 119) n;
-- 300,000 deliveries that were processed, some that wait, and findings about 3,000 files.
INSERT INTO webhook_inbox (delivery_id, received_at, status, processed_at)
SELECT gen_random_uuid(), now() - n * interval '1 minute', 'done', now() FROM generate_series(1, 300000) n;
INSERT INTO webhook_inbox (delivery_id, received_at, body, status)
SELECT gen_random_uuid(), now() - n * interval '1 minute', '{}', (ARRAY['pending', 'parked', 'dead'])[1 + n % 3]
  FROM generate_series(1, 300) n;
INSERT INTO exceptions (stage, file_path, month, line, kind, severity, detail)
SELECT 'chat_messages', 'c' || n % 3000, '2024-0' || 1 + n % 9, n, 'unreadable', 'warning', 'x'
  FROM generate_series(1, 20000) n;
-- 6,000 items in doubt: chats that three customers could have, sessions of linked chats without a sure order, and live
-- conversations.
INSERT INTO chat_files (filename, file_path, month, title, match_status, processing_status, phone_key, message_count,
                        first_message_at, last_message_at)
SELECT 'd' || n, 'd' || n, '2024-0' || 1 + n % 9, 'd' || n, (ARRAY['ambiguous', 'proposed', 'unmatched'])[1 + n % 3], 'loaded',
       '42' || (80000000 + n), 10, timestamp '2024-01-01' + n * interval '1 hour', timestamp '2024-01-02' + n * interval '1 hour'
  FROM generate_series(1, 3000) n;
INSERT INTO chat_messages (id_chat_file, ordinal, message_timestamp, direction, type, message_text, line, body_hash)
SELECT f.id, n, f.first_message_at + n * interval '7 minutes', CASE WHEN n % 3 = 0 THEN 'to' ELSE 'from' END, 'text',
       'palavra' || n, n, n
  FROM chat_files f, generate_series(1, 10) n WHERE f.id > :customers;
INSERT INTO match_candidates (id_chat_file, rank, id_contato, confidence, method, evidence)
SELECT f.id, r, 1 + (f.id * 7 + r * 13) % :customers, 0.6 / r, 'name_match',
       '[{"name": "prior", "value": 1, "weight": -3, "words": "x"}, {"name": "name", "value": 0.9, "weight": 4, "words": "y"}]'
  FROM chat_files f, generate_series(1, 3) r WHERE f.id > :customers AND f.match_status <> 'unmatched';
UPDATE chat_sessions SET order_match_status = 'proposed', id_ordem_servico = NULL, order_match_confidence = 0.5
 WHERE id_chat_file % 25 = 3 AND id_chat_file <= :customers;
INSERT INTO order_candidates (id_chat_session, rank, id_ordem_servico, confidence, method, evidence)
SELECT s.id, r, 1 + (s.id * 7 + r * 13) % :customers, 0.5 / r, 'model',
       '[{"name": "prior", "value": 1, "weight": -1, "words": "x"}, {"name": "near", "value": 0.9, "weight": 1, "words": "y"}]'
  FROM chat_sessions s, generate_series(1, 2) r WHERE s.order_match_status = 'proposed';
INSERT INTO conversations (external_id, phone_number_id, profile_name, match_status)
SELECT '5543' || (80000000 + n), 'shop', 'v' || n, 'ambiguous' FROM generate_series(1, 1000) n;
INSERT INTO conversation_identities (phone_number_id, value, kind, canonical, phone_key, conversation_id)
SELECT 'shop', external_id, 'wa_id', right(external_id, 10), right(external_id, 10), id FROM conversations;
INSERT INTO conversation_messages (conversation_id, role, type, text, origin, phone_number_id, message_key, sent_at, inbox_id)
SELECT c.id, 'user', 'text', 'palavra' || n, 'message', 'shop', 'live' || c.id || '-' || n,
       timestamptz '2024-06-01' + c.id * interval '1 hour' + n * interval '1 minute', c.id
  FROM conversations c, generate_series(1, 5) n;
INSERT INTO conversation_candidates (id_conversation, rank, id_contato, confidence, method, evidence)
SELECT c.id, r, 1 + (c.id * 7 + r * 13) % :customers, 0.5 / r, 'phone', '[]' FROM conversations c, generate_series(1, 2) r;
-- Links that are judged already, and decisions on record.
INSERT INTO review_verdicts (id_chat_file, verdict, reviewer, match_status, match_method, match_confidence, id_contato, is_blind)
SELECT l.id_chat_file, 'right', 'bench', 'linked', l.method, l.confidence, l.id_contato, true
  FROM (SELECT * FROM rule_links ORDER BY draw LIMIT 300) l;
