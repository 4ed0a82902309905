-- Service orders closed before they were issued, or issued in the future or before 1990.

-- name: examined
SELECT count(*) AS examined FROM ordens_servico

-- name: failing
SELECT id AS id_ordem_servico, data_emissao::text AS issued, data_conclusao::text AS closed
FROM ordens_servico
WHERE data_conclusao::date < data_emissao::date OR data_emissao::date > %(today)s::date + 1
   OR data_emissao::date < '1990-01-01'
ORDER BY id
