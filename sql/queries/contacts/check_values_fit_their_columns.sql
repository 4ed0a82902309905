-- Values that were cut because the column is shorter.

-- name: examined
SELECT count(*) AS examined FROM contact_sources

-- name: failing
SELECT 'contatos/' || id_contato AS row, unnest(truncated) AS column_cut
FROM contact_sources WHERE truncated <> '{}' ORDER BY id_contato
