-- Orders issued in the month to customers with a linked chat in it, that no session is linked to.

-- name: examined
SELECT to_char(o.data_emissao::date, 'YYYY-MM') AS month, count(*) AS examined FROM ordens_servico o
WHERE to_char(o.data_emissao::date, 'YYYY-MM') = ANY(%(months)s)
  AND EXISTS (SELECT FROM chat_files f WHERE f.id_contato = o.id_contato
              AND f.month = to_char(o.data_emissao::date, 'YYYY-MM'))
GROUP BY 1

-- name: failing
SELECT to_char(o.data_emissao::date, 'YYYY-MM') AS month, o.id AS id_ordem_servico, o.id_contato
FROM ordens_servico o
WHERE to_char(o.data_emissao::date, 'YYYY-MM') = ANY(%(months)s)
  AND EXISTS (SELECT FROM chat_files f WHERE f.id_contato = o.id_contato
              AND f.month = to_char(o.data_emissao::date, 'YYYY-MM'))
  AND NOT EXISTS (SELECT FROM chat_sessions s WHERE s.id_ordem_servico = o.id)
ORDER BY 1, 2
