-- The inputs of each contact's summary as one hash: the set of its messages, orders and session links, in any order. A
-- contact whose hash differs from the stored one is computed. %(contacts)s: only these.
INSERT INTO work_contacts (id_contato, messages, input_hash)
WITH said AS (
    SELECT id_contato, count(*) AS n,
           bit_xor(hash_record_extended(ROW(source, message_id, at, side, type, ordinal, body_hash), 0)) AS h
      FROM messages_all
     WHERE id_contato IS NOT NULL AND (%(contacts)s::bigint[] IS NULL OR id_contato = ANY (%(contacts)s))
     GROUP BY id_contato
), sessions AS (
    SELECT id_contato, id_ordem_servico,
           hash_record_extended(ROW(id, started_at, ended_at, id_ordem_servico), 0) AS h
      FROM sessions_all
     WHERE id_contato IS NOT NULL AND id_ordem_servico IS NOT NULL AND order_match_status IN ('linked', 'manual')
), order_links AS (
    SELECT id_contato, id_ordem_servico FROM sessions
    UNION
    SELECT id_contato, id_ordem_servico FROM chat_files
     WHERE id_contato IS NOT NULL AND duplicate_of IS NULL AND id_ordem_servico IS NOT NULL
), orders AS (
    SELECT l.id_contato,
           bit_xor(hash_record_extended(ROW(o.id, o.numero_ordem_servico, o.situacao, o.data_emissao,
                                            o.data_conclusao, o.equipamento), 0)) AS h
      FROM order_links l
      JOIN ordens_servico o ON o.id = l.id_ordem_servico
     GROUP BY l.id_contato
), session_links AS (
    SELECT id_contato, bit_xor(h) AS h FROM sessions GROUP BY id_contato
)
SELECT id_contato, m.n, md5(concat_ws('/', %(options)s::text, m.n, m.h, o.h, s.h))
  FROM said m
  LEFT JOIN orders o USING (id_contato)
  LEFT JOIN session_links s USING (id_contato)
