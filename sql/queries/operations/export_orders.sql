SELECT *
  FROM v_orders
 WHERE (%(since)s::timestamp IS NULL OR data_emissao >= %(since)s::date)
   AND (%(until)s::timestamp IS NULL OR data_emissao < %(until)s::date)
 ORDER BY id_ordem_servico
