-- Open cases, the longest open first. What a person has handled is left out; with %(handled)s exactly that is listed.
SELECT id_contato, nome, open_since, open_reasons, last_at, handled_until AS until, handled_note AS note,
       handled_by AS made_by, handled_at AS made_at
  FROM v_open_cases
 WHERE is_handled = %(handled)s AND (NOT %(waiting)s OR is_waiting)
 ORDER BY open_since, id_contato
 LIMIT %(limit)s
