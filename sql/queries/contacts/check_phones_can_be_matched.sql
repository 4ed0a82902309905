-- Contacts whose phone fields hold digits but no number that can be matched.

-- name: examined
SELECT count(*) AS examined FROM contatos WHERE concat(celular, telefone) ~ '[0-9]'

-- name: failing
SELECT c.id AS id_contato,
       regexp_replace(coalesce(nullif(c.celular::text, ''), c.telefone::text), '[0-9]', '9', 'g') AS shape
FROM contatos c
WHERE concat(c.celular, c.telefone) ~ '[0-9]'
  AND NOT EXISTS (SELECT FROM contact_phones p WHERE p.id_contato = c.id AND p.key IS NOT NULL)
ORDER BY c.id
