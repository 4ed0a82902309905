-- The tables of the project's plan as somebody makes them by hand, and what such a database holds; invented people.
-- A reconstruction from this project's documents: the plan's own text was not at hand.
CREATE TABLE contatos (id INTEGER PRIMARY KEY, nome VARCHAR(255), telefone VARCHAR(20), celular VARCHAR(20),
    telefone_normalizado VARCHAR(20), celular_normalizado VARCHAR(20));
CREATE INDEX idx_contatos_celular_normalizado ON contatos (celular_normalizado);
CREATE TABLE ordens_servico (id INTEGER PRIMARY KEY, numero_ordem_servico VARCHAR(50), data_emissao DATE,
    equipamento VARCHAR(255), id_contato INTEGER REFERENCES contatos (id));
CREATE TABLE chat_files (
    id SERIAL PRIMARY KEY, filename VARCHAR(255) NOT NULL, file_path TEXT NOT NULL, file_date DATE,
    phone_number VARCHAR(20), customer_name VARCHAR(255), reference_os VARCHAR(50),
    id_contato INTEGER REFERENCES contatos (id), id_ordem_servico INTEGER REFERENCES ordens_servico (id),
    processing_status VARCHAR(20) DEFAULT 'pending', match_method VARCHAR(50), match_confidence NUMERIC(3, 2),
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP);
CREATE INDEX chat_files_id_contato_idx ON chat_files (id_contato);
CREATE TABLE chat_messages (
    id SERIAL PRIMARY KEY, id_chat_file INTEGER REFERENCES chat_files (id), message_timestamp TIMESTAMP NOT NULL,
    is_from_customer BOOLEAN, message_text TEXT, responding_to TEXT);
CREATE TABLE customer_chat_summaries (
    id SERIAL PRIMARY KEY, id_contato INTEGER UNIQUE REFERENCES contatos (id), last_interaction_date TIMESTAMP,
    communication_frequency VARCHAR(20), common_topics TEXT[], sentiment_analysis VARCHAR(20), summary TEXT);
CREATE TABLE tenants (id SERIAL PRIMARY KEY, name TEXT NOT NULL, created_at TIMESTAMPTZ DEFAULT now());
CREATE TABLE whatsapp_accounts (
    id SERIAL PRIMARY KEY, tenant_id INTEGER REFERENCES tenants (id), phone_number_id TEXT UNIQUE NOT NULL,
    created_at TIMESTAMPTZ DEFAULT now());
CREATE TABLE conversations (
    id SERIAL PRIMARY KEY, tenant_id INTEGER REFERENCES tenants (id), channel TEXT NOT NULL DEFAULT 'whatsapp',
    external_id TEXT NOT NULL, phone_number_id TEXT NOT NULL, is_active BOOLEAN DEFAULT true,
    created_at TIMESTAMPTZ DEFAULT now(), updated_at TIMESTAMPTZ DEFAULT now(),
    UNIQUE (channel, phone_number_id, external_id));
CREATE TABLE conversation_messages (
    id SERIAL PRIMARY KEY, conversation_id INTEGER REFERENCES conversations (id), role TEXT NOT NULL,
    text TEXT NOT NULL, raw_json JSONB, created_at TIMESTAMPTZ DEFAULT now());
INSERT INTO contatos VALUES (7, 'Ana Lima', NULL, '(41) 99999-0001', NULL, '41999990001');
INSERT INTO ordens_servico VALUES (70, '30415', '2025-01-04', 'Notebook', 7);
INSERT INTO chat_files (id, filename, file_path, file_date, phone_number, id_contato, match_method, match_confidence,
                        processing_status)
VALUES (11, 'WhatsApp - 2025-01-05 10 00 00 - +55 41 99999-0001.txt',
        '/srv/organized_whatsapp_chats/2025/01/WhatsApp - 2025-01-05 10 00 00 - +55 41 99999-0001.txt', '2025-01-05',
        '+5541999990001', 7, 'exact_phone', 1.00, 'processed'),
       (12, 'WhatsApp - 2025-02-03 09 00 00 - Bia.txt', 'C:\chats\2025\02', '2025-02-03', NULL, NULL, NULL, NULL,
        'pending'),
       (13, 'solta.txt', '/srv/solta.txt', NULL, NULL, NULL, NULL, NULL, 'error');
INSERT INTO chat_messages (id, id_chat_file, message_timestamp, is_from_customer, message_text)
VALUES (101, 11, '2025-01-05 10:00:00', true, 'Bom dia, meu notebook não liga'),
       (102, 11, '2025-01-05 10:02:00', false, 'Bom dia! Pode trazer.'),
       (103, 13, '2025-01-05 10:02:00', false, 'perdida');
INSERT INTO customer_chat_summaries (id, id_contato, last_interaction_date, communication_frequency, sentiment_analysis,
                                     summary)
VALUES (900, 7, '2025-01-05 10:02', 'rare', 'neutral', 'Notebook não liga.');
INSERT INTO tenants (id, name) VALUES (3, 'Oficina');
INSERT INTO whatsapp_accounts (id, tenant_id, phone_number_id) VALUES (4, 3, '1010');
INSERT INTO conversations (id, tenant_id, external_id, phone_number_id) VALUES (21, 3, '5541999990001', '1010');
INSERT INTO conversation_messages (id, conversation_id, role, text, raw_json)
VALUES (301, 21, 'user', 'oi', '{"id": "wamid.A"}'), (302, 21, 'assistant', 'Olá!', NULL);
