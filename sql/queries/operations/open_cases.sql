-- Open cases, the longest open first. What a person has handled is left out; with %(handled)s exactly that is listed.
SELECT o.id_contato, c.nome::text, o.open_since, o.open_reasons, o.last_at, o.handled_until AS until,
       o.handled_note AS note, o.handled_by AS made_by, o.handled_at AS made_at,
       o.stale_since
  FROM (SELECT * FROM open_cases
         WHERE is_handled = %(handled)s AND (NOT %(waiting)s OR is_waiting)
           AND (%(since)s::timestamp IS NULL
                OR (open_since, id_contato) > (%(since)s::timestamp, %(last)s::bigint))
         ORDER BY open_since, id_contato LIMIT %(limit)s) o
  JOIN contatos c ON c.id = o.id_contato
 ORDER BY o.open_since, o.id_contato
