-- Normalized columns that differ from the first number of their field.

-- name: examined
SELECT count(*) AS examined FROM contatos

-- name: failing
SELECT c.id AS id_contato, f.field
FROM contatos c JOIN contact_phone_inputs i ON i.id_contato = c.id
CROSS JOIN LATERAL (VALUES ('celular', c.celular_normalizado::text, i.celular_digits),
                           ('telefone', c.telefone_normalizado::text, i.telefone_digits))
    AS f(field, written, expected)
WHERE nullif(f.written, '') IS DISTINCT FROM f.expected ORDER BY c.id
