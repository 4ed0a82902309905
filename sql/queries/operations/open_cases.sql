-- Customers with something open, the longest open first: unanswered words, or an order under way. What a person has
-- handled is left out until its day is over or the customer writes again; with %(handled)s exactly that is listed.
SELECT s.id_contato, c.nome::text, s.open_since, s.open_reasons, s.last_interaction_date AS last_at, h.until, h.note,
       h.made_by, h.made_at
  FROM customer_chat_summaries s
  JOIN contatos c ON c.id = s.id_contato
  LEFT JOIN handled_cases h ON h.id_contato = s.id_contato AND h.until >= %(today)s
                           AND s.last_interaction_date <= h.made_at AT TIME ZONE current_setting('TimeZone')
 WHERE s.open_since IS NOT NULL AND (h.id_contato IS NOT NULL) = %(handled)s
   AND (NOT %(waiting)s OR 'unanswered' = ANY(s.open_reasons))
 ORDER BY s.open_since, s.id_contato
 LIMIT %(limit)s
