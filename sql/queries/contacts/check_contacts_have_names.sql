-- Contacts with neither name nor trade name.

-- name: examined
SELECT count(*) AS examined FROM contatos

-- name: failing
SELECT c.id AS id_contato FROM contatos c
WHERE btrim(coalesce(c.nome, '')) = '' AND btrim(coalesce(c.fantasia, '')) = '' ORDER BY c.id
