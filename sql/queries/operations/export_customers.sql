SELECT *
  FROM v_customers
 WHERE (%(until)s::timestamp IS NULL OR first_interaction_date < %(until)s)
   AND (%(since)s::timestamp IS NULL OR last_interaction_date >= %(since)s)
 ORDER BY id_contato
