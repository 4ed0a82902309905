-- Service orders without a contact, or of a contact that is not in contatos.

-- name: examined
SELECT count(*) AS examined FROM ordens_servico

-- name: failing
SELECT o.id AS id_ordem_servico, o.id_contato FROM ordens_servico o
WHERE o.id_contato IS NULL OR NOT EXISTS (SELECT FROM contatos c WHERE c.id = o.id_contato)
ORDER BY o.id
