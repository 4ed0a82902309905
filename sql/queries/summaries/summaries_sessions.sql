-- The sessions of the batch's contacts that are linked to an order; a chat linked as a whole counts as one.
INSERT INTO work_sessions (id_contato, id_ordem_servico, started_at, ended_at, confidence)
SELECT id_contato, id_ordem_servico, started_at, ended_at, order_match_confidence
  FROM sessions_all
 WHERE id_contato = ANY (%(contacts)s)
   AND id_ordem_servico IS NOT NULL AND order_match_status IN ('linked', 'manual')
UNION ALL
SELECT f.id_contato, f.id_ordem_servico, f.first_message_at, f.last_message_at, 0
  FROM chat_files f
 WHERE f.id_contato = ANY (%(contacts)s) AND f.duplicate_of IS NULL
   AND f.id_ordem_servico IS NOT NULL AND f.first_message_at IS NOT NULL
   AND NOT EXISTS (SELECT FROM chat_sessions s WHERE s.id_chat_file = f.id AND s.id_ordem_servico = f.id_ordem_servico)
