-- Contacts with digits in a phone field that were never read for matching.

-- name: examined
SELECT count(*) AS examined FROM contatos WHERE concat(celular, telefone) ~ '[0-9]'

-- name: failing
SELECT c.id AS id_contato FROM contatos c
WHERE c.id IS NOT NULL AND concat(c.celular, c.telefone) ~ '[0-9]'
  AND NOT EXISTS (SELECT FROM contact_phone_inputs i WHERE i.id_contato = c.id)
ORDER BY c.id
