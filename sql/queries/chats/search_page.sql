-- One page of messages that were found, with the name of their customer. The caller puts in whose messages are read, how
-- they match, their score and order, and the last hit of the page before.
WITH wanted AS (SELECT {query} AS query),
scored AS (
    SELECT m.*, {score} AS score FROM ({mine}) m, wanted WHERE {matches}
), page AS (
    SELECT * FROM scored WHERE {after}
     ORDER BY {order} LIMIT %(limit)s
)
SELECT p.source, p.message_id, p.id_contato, p.chat, p.id_ordem_servico, p.at, p.side, p.type,
       p.score,
       CASE WHEN wanted.query IS NULL THEN left(coalesce(p.text, ''), 200)
            ELSE ts_headline('portuguese_unaccent', left(p.text, 20000), wanted.query, %(marks)s) END
           AS snippet, c.nome::text
  FROM page p CROSS JOIN wanted LEFT JOIN contatos c ON c.id = p.id_contato
 ORDER BY {order}
