-- migrate:up

-- Views for dashboards and notebooks. Their columns and types stay as they are: a new column is added at the end, and
-- a test holds each view to its list.

-- The user's own tables are read through functions: a view on them would forbid their owner to change a column's type.
-- Their types are cast, so that they may differ. A function shows what the views show, and no more.
CREATE FUNCTION view_contacts() RETURNS TABLE (id bigint, nome text)
    LANGUAGE sql STABLE SECURITY DEFINER ROWS 50000 SET search_path FROM CURRENT
    AS $$ SELECT c.id::bigint, c.nome::text FROM contatos c $$;
CREATE FUNCTION view_orders() RETURNS TABLE (
        id bigint, numero_ordem_servico text, situacao text, data_emissao date, data_conclusao date, equipamento text,
        total_ordem_servico numeric, id_contato bigint)
    LANGUAGE sql STABLE SECURITY DEFINER ROWS 50000 SET search_path FROM CURRENT
    AS $$ SELECT o.id::bigint, o.numero_ordem_servico::text, o.situacao::text, o.data_emissao::date,
                 o.data_conclusao::date, o.equipamento::text, o.total_ordem_servico::numeric, o.id_contato::bigint
            FROM ordens_servico o $$;
REVOKE ALL ON FUNCTION view_contacts(), view_orders() FROM PUBLIC;
COMMENT ON FUNCTION view_contacts() IS 'Customers as the views v_… show them';
COMMENT ON FUNCTION view_orders() IS 'Service orders as the views v_… show them';

CREATE VIEW v_messages AS
SELECT m.source, m.message_id, m.at, m.side, m.origin, m.type, m.text, m.id_contato, c.nome,
       m.id_ordem_servico, o.numero_ordem_servico,
       o.equipamento, m.id_chat_file, m.conversation_id
  FROM messages_all m
  LEFT JOIN view_contacts() c ON c.id = m.id_contato
  LEFT JOIN view_orders() o ON o.id = m.id_ordem_servico;
COMMENT ON VIEW v_messages IS
    'Every message once, of the archive and of live conversations, with its customer and service order';
COMMENT ON COLUMN v_messages.source IS 'chat (an exported file) or webhook (live)';
COMMENT ON COLUMN v_messages.message_id IS 'With source: the message, for ever';
COMMENT ON COLUMN v_messages.at IS 'Local time';
COMMENT ON COLUMN v_messages.side IS
    'from the customer, to the customer, notification, unsent (written for the customer, never sent); null when unknown';
COMMENT ON COLUMN v_messages.origin IS 'archive, message, echo, history, assistant or local';
COMMENT ON COLUMN v_messages.type IS 'text, image, audio, video, document, deleted, …';
COMMENT ON COLUMN v_messages.text IS '[pii] What was said; null for what was taken back';
COMMENT ON COLUMN v_messages.id_contato IS 'The customer (contatos.id), where the link is in force';
COMMENT ON COLUMN v_messages.nome IS '[pii] Name of the customer';
COMMENT ON COLUMN v_messages.id_ordem_servico IS 'The service order of the session that the message stands in';
COMMENT ON COLUMN v_messages.numero_ordem_servico IS 'Number of that order, as people use it';
COMMENT ON COLUMN v_messages.equipamento IS 'Device of that order, as typed';
COMMENT ON COLUMN v_messages.id_chat_file IS 'The chat (chat_files.id); null for a live message';
COMMENT ON COLUMN v_messages.conversation_id IS 'The live conversation (conversations.id); null for the archive';

CREATE VIEW v_chats AS
SELECT f.id AS id_chat_file, f.month, f.file_date, f.is_group, f.format, f.processing_status, f.first_message_at,
       f.last_message_at, f.message_count, f.duplicate_of IS NOT NULL AS is_duplicate,
       CASE WHEN f.match_status IN ('linked', 'manual') THEN f.id_contato END AS id_contato, f.match_status,
       f.match_method, f.match_confidence, f.id_ordem_servico, f.order_match_method,
       coalesce(s.sessions, 0) AS sessions, coalesce(s.linked_sessions, 0) AS linked_sessions
  FROM chat_files f
  LEFT JOIN (
        SELECT id_chat_file, count(*) AS sessions,
               count(*) FILTER (WHERE order_match_status IN ('linked', 'manual')) AS linked_sessions
          FROM chat_sessions GROUP BY id_chat_file
       ) s ON s.id_chat_file = f.id
 WHERE f.processing_status <> 'vanished';
COMMENT ON VIEW v_chats IS 'One row per chat of the archive: where it stands, whose it is and how sure that is';
COMMENT ON COLUMN v_chats.id_chat_file IS 'The chat, for ever';
COMMENT ON COLUMN v_chats.month IS 'Month of the archive, YYYY-MM';
COMMENT ON COLUMN v_chats.file_date IS 'Day in the file''s name';
COMMENT ON COLUMN v_chats.is_group IS 'Whether several customers write in it';
COMMENT ON COLUMN v_chats.format IS 'block, android, ios or unknown';
COMMENT ON COLUMN v_chats.processing_status IS 'pending, linked, loaded or failed (can''t be read)';
COMMENT ON COLUMN v_chats.first_message_at IS 'Local time of the earliest message';
COMMENT ON COLUMN v_chats.last_message_at IS 'Local time of the latest message';
COMMENT ON COLUMN v_chats.message_count IS 'Messages and notifications of the chat';
COMMENT ON COLUMN v_chats.is_duplicate IS 'Whether another file holds every message of this one';
COMMENT ON COLUMN v_chats.id_contato IS 'The customer (contatos.id), where the link is in force';
COMMENT ON COLUMN v_chats.match_status IS 'pending, linked, proposed, ambiguous, unmatched, manual or group';
COMMENT ON COLUMN v_chats.match_method IS 'The evidence that decided the link';
COMMENT ON COLUMN v_chats.match_confidence IS 'Posterior probability of the best candidate, 0 to 1';
COMMENT ON COLUMN v_chats.id_ordem_servico IS 'The service order of the chat, where there is one';
COMMENT ON COLUMN v_chats.order_match_method IS 'The evidence that decided the order';
COMMENT ON COLUMN v_chats.sessions IS 'Sessions of the chat';
COMMENT ON COLUMN v_chats.linked_sessions IS 'Sessions with a service order in force';

CREATE VIEW v_customers AS
SELECT c.id AS id_contato, c.nome, s.first_interaction_date, s.last_interaction_date,
       s.communication_frequency, s.common_topics, s.sentiment_analysis, s.sentiment_score::double precision
       AS sentiment_score, s.message_count, s.customer_messages, s.staff_messages, s.conversation_count,
       s.last_speaker, s.first_response_median_business_s, s.reply_median_business_s, s.open_since, s.open_reasons,
       s.summary, s.computed_at
  FROM view_contacts() c
  JOIN customer_chat_summaries s ON s.id_contato = c.id;
COMMENT ON VIEW v_customers IS 'One row per customer who was talked with: the summary and its figures';
COMMENT ON COLUMN v_customers.id_contato IS 'The customer (contatos.id)';
COMMENT ON COLUMN v_customers.nome IS '[pii] Name of the customer';
COMMENT ON COLUMN v_customers.first_interaction_date IS 'Local time of the first message';
COMMENT ON COLUMN v_customers.last_interaction_date IS 'Local time of the last message';
COMMENT ON COLUMN v_customers.communication_frequency IS 'frequent, regular, occasional or rare';
COMMENT ON COLUMN v_customers.common_topics IS 'Topics by share, largest first';
COMMENT ON COLUMN v_customers.sentiment_analysis IS 'Estimated sentiment: positive, neutral or negative';
COMMENT ON COLUMN v_customers.sentiment_score IS 'The score behind it, -1 to 1';
COMMENT ON COLUMN v_customers.message_count IS 'Messages and notices, each once';
COMMENT ON COLUMN v_customers.customer_messages IS 'Messages from the customer';
COMMENT ON COLUMN v_customers.staff_messages IS 'Messages to the customer';
COMMENT ON COLUMN v_customers.conversation_count IS 'Conversations: messages without a gap of 24 h';
COMMENT ON COLUMN v_customers.last_speaker IS 'customer or staff';
COMMENT ON COLUMN v_customers.first_response_median_business_s IS
    'Seconds of business hours to the first answer of a conversation, median';
COMMENT ON COLUMN v_customers.reply_median_business_s IS 'Seconds of business hours to any answer, median';
COMMENT ON COLUMN v_customers.open_since IS 'Since when something is open, local time; null: nothing is';
COMMENT ON COLUMN v_customers.open_reasons IS 'unanswered, order';
COMMENT ON COLUMN v_customers.summary IS '[pii] Sentences in Portuguese, quoting nobody';
COMMENT ON COLUMN v_customers.computed_at IS 'When the summary last changed';

CREATE VIEW v_orders AS
SELECT o.id AS id_ordem_servico, o.numero_ordem_servico, o.situacao,
       o.data_emissao, o.data_conclusao,
       o.equipamento, o.total_ordem_servico, o.id_contato,
       c.nome, coalesce(s.sessions, 0) AS sessions, s.first_session_at, s.last_session_at
  FROM view_orders() o
  LEFT JOIN view_contacts() c ON c.id = o.id_contato
  LEFT JOIN (
        SELECT id_ordem_servico, count(*) AS sessions, min(started_at) AS first_session_at,
               max(ended_at) AS last_session_at
          FROM sessions_all
         WHERE order_match_status IN ('linked', 'manual')
         GROUP BY id_ordem_servico
       ) s ON s.id_ordem_servico = o.id;
COMMENT ON VIEW v_orders IS 'One row per service order, with its customer and how much was said about it';
COMMENT ON COLUMN v_orders.id_ordem_servico IS 'The service order (ordens_servico.id)';
COMMENT ON COLUMN v_orders.numero_ordem_servico IS 'Number that people use; not unique';
COMMENT ON COLUMN v_orders.situacao IS '0 open, 1 quoted, 2 service done, 3 finished, 4 not approved';
COMMENT ON COLUMN v_orders.data_emissao IS 'Day the order was opened';
COMMENT ON COLUMN v_orders.data_conclusao IS 'Day the order was closed';
COMMENT ON COLUMN v_orders.equipamento IS 'The device, as typed';
COMMENT ON COLUMN v_orders.total_ordem_servico IS 'Total, in reais';
COMMENT ON COLUMN v_orders.id_contato IS 'The customer (contatos.id)';
COMMENT ON COLUMN v_orders.nome IS '[pii] Name of the customer';
COMMENT ON COLUMN v_orders.sessions IS 'Sessions linked to the order, of chats and of live conversations';
COMMENT ON COLUMN v_orders.first_session_at IS 'Local time of the first message of these sessions';
COMMENT ON COLUMN v_orders.last_session_at IS 'Local time of the last message of these sessions';

CREATE VIEW v_link_quality AS
SELECT month, count(*) AS chats, count(*) FILTER (WHERE match_status IN ('linked', 'manual')) AS linked,
       count(*) FILTER (WHERE match_status = 'manual') AS decided_by_people,
       count(*) FILTER (WHERE match_status = 'proposed') AS proposed,
       count(*) FILTER (WHERE match_status = 'ambiguous') AS ambiguous,
       count(*) FILTER (WHERE match_status = 'unmatched') AS unmatched,
       count(*) FILTER (WHERE match_status = 'group') AS groups,
       count(*) FILTER (WHERE match_status = 'pending') AS pending,
       avg(match_confidence) FILTER (WHERE match_status = 'linked') AS mean_confidence_of_linked,
       sum(sessions)::bigint AS sessions, sum(linked_sessions)::bigint AS linked_sessions
  FROM v_chats
 GROUP BY month;
COMMENT ON VIEW v_link_quality IS 'One row per month of the archive: how many chats and sessions are linked';
COMMENT ON COLUMN v_link_quality.month IS 'Month of the archive, YYYY-MM';
COMMENT ON COLUMN v_link_quality.chats IS 'Chats that are in the archive';
COMMENT ON COLUMN v_link_quality.linked IS 'Chats with a customer, by evidence or by a decision';
COMMENT ON COLUMN v_link_quality.decided_by_people IS 'Chats with a customer that a person decided';
COMMENT ON COLUMN v_link_quality.proposed IS 'Chats with a likely customer that nobody confirmed';
COMMENT ON COLUMN v_link_quality.ambiguous IS 'Chats that several customers fit';
COMMENT ON COLUMN v_link_quality.unmatched IS 'Chats that no customer fits';
COMMENT ON COLUMN v_link_quality.groups IS 'Groups, which belong to nobody';
COMMENT ON COLUMN v_link_quality.pending IS 'Chats not linked yet';
COMMENT ON COLUMN v_link_quality.mean_confidence_of_linked IS 'Mean confidence of chats linked by evidence, 0 to 1';
COMMENT ON COLUMN v_link_quality.sessions IS 'Sessions of these chats';
COMMENT ON COLUMN v_link_quality.linked_sessions IS 'Sessions with a service order in force';

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
