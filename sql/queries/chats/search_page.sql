-- One page of messages that were found, with the name of their customer. The caller puts in how they are found
-- (search_in_scope.sql or search_located.sql), their order, and the last hit of the page before.
WITH wanted AS (SELECT {query} AS query),
found AS (
{found}
), page AS (
    SELECT * FROM found WHERE {after}
     ORDER BY {order} LIMIT %(limit)s
)
SELECT p.source, p.message_id, p.id_contato, p.chat, p.at, p.side, p.type, p.score,
       CASE WHEN wanted.query IS NULL THEN left(coalesce(p.text, ''), 200)
            ELSE ts_headline('portuguese_unaccent', left(p.text, 20000), wanted.query, %(marks)s) END
           AS snippet, c.nome::text
  FROM page p CROSS JOIN wanted LEFT JOIN contatos c ON c.id = p.id_contato
 ORDER BY {order}
