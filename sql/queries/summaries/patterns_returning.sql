-- Devices of a customer that more than one order is about.
SELECT o.id_contato, c.nome::text, min(o.equipamento)::text AS device, count(*)::int AS orders,
       max(o.data_emissao)::date AS last_opened
  FROM ordens_servico o
  LEFT JOIN contatos c ON c.id = o.id_contato
 WHERE o.id_contato IS NOT NULL AND btrim(o.equipamento) <> ''
 GROUP BY o.id_contato, c.nome, plain_text(btrim(o.equipamento::text))
HAVING count(*) > 1
 ORDER BY orders DESC, last_opened DESC NULLS LAST, o.id_contato LIMIT %(limit)s
