-- What each contact's summary rests on, as one hash: the set of its messages, orders and session links,
-- whatever order they came in. A contact whose hash is not the stored one is computed.
INSERT INTO work_contacts (id_contato, messages, input_hash)
WITH linked AS MATERIALIZED (
    SELECT id, id_contato, id_ordem_servico
      FROM chat_files
     WHERE match_status IN ('linked', 'manual') AND id_contato IS NOT NULL AND duplicate_of IS NULL
), archive AS (
    SELECT f.id_contato, count(*) AS n,
           bit_xor(hash_record_extended(
               ROW(m.id, m.message_timestamp, m.direction, m.type, m.ordinal, m.body_hash), 0)) AS h
      FROM linked f
      JOIN chat_messages m ON m.id_chat_file = f.id
     WHERE m.duplicate_of IS NULL
     GROUP BY f.id_contato
), live AS (
    SELECT id_contato, count(*) AS n,
           bit_xor(hash_record_extended(ROW(message_id, sent_at, direction, type, text), 0)) AS h
      FROM conversation_only_messages
     WHERE id_contato IS NOT NULL AND match_status IN ('linked', 'manual')
     GROUP BY id_contato
), sessions AS (
    SELECT f.id_contato, s.id_ordem_servico,
           hash_record_extended(ROW(s.id, s.started_at, s.ended_at, s.id_ordem_servico), 0) AS h
      FROM linked f
      JOIN chat_sessions s ON s.id_chat_file = f.id
     WHERE s.id_ordem_servico IS NOT NULL AND s.order_match_status IN ('linked', 'manual')
), order_links AS (
    SELECT id_contato, id_ordem_servico FROM sessions
    UNION
    SELECT id_contato, id_ordem_servico FROM linked WHERE id_ordem_servico IS NOT NULL
), orders AS (
    SELECT l.id_contato,
           bit_xor(hash_record_extended(ROW(o.id, o.numero_ordem_servico, o.situacao, o.data_emissao,
                                            o.data_conclusao, o.equipamento), 0)) AS h
      FROM order_links l
      JOIN ordens_servico o ON o.id = l.id_ordem_servico
     GROUP BY l.id_contato
), session_links AS (
    SELECT id_contato, bit_xor(h) AS h FROM sessions GROUP BY id_contato
), inputs AS (
    SELECT id_contato, coalesce(a.n, 0) + coalesce(l.n, 0) AS n,
           md5(concat_ws('/', %(options)s::text, a.n, a.h, l.n, l.h, o.h, s.h)) AS input_hash
      FROM (SELECT id_contato FROM archive UNION SELECT id_contato FROM live) c
      LEFT JOIN archive a USING (id_contato)
      LEFT JOIN live l USING (id_contato)
      LEFT JOIN orders o USING (id_contato)
      LEFT JOIN session_links s USING (id_contato)
)
SELECT id_contato, n, input_hash FROM inputs
