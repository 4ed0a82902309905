-- Normalized columns that differ from the first phone of their field.

-- name: examined
SELECT count(*) AS examined FROM contatos

-- name: failing
SELECT c.id AS id_contato, f.field
FROM contatos c
CROSS JOIN LATERAL (VALUES ('celular', c.celular_normalizado), ('telefone', c.telefone_normalizado))
    AS f(field, written)
LEFT JOIN LATERAL (
    SELECT key FROM contact_phones p
    WHERE p.id_contato = c.id AND p.field = f.field AND key IS NOT NULL ORDER BY position LIMIT 1
) p ON true
WHERE nullif(f.written, '') IS DISTINCT FROM p.key ORDER BY c.id
