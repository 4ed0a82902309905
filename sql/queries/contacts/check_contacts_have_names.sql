-- Contacts with neither name nor trade name.

-- name: examined
SELECT count(*) AS examined FROM contact_sources

-- name: failing
SELECT c.id AS id_contato FROM contatos c JOIN contact_sources s ON s.id_contato = c.id
WHERE btrim(coalesce(c.nome, '')) = '' AND btrim(coalesce(c.fantasia, '')) = '' ORDER BY c.id
