-- The user's own table shows the first number of each field; nothing else of it is touched. A value that the user filled
-- holds until its phone changes: ours is one that is empty, or that equals what was expected before.
UPDATE contatos c
SET celular_normalizado = w.celular, telefone_normalizado = w.telefone
FROM (
    SELECT c.ctid AS place,
           CASE WHEN coalesce(c.celular_normalizado::text, '') IN ('', o.celular_digits)
                     OR o.celular_hash <> n.celular_hash
                THEN n.celular_digits ELSE c.celular_normalizado::text END AS celular,
           CASE WHEN coalesce(c.telefone_normalizado::text, '') IN ('', o.telefone_digits)
                     OR o.telefone_hash <> n.telefone_hash
                THEN n.telefone_digits ELSE c.telefone_normalizado::text END AS telefone
    FROM incoming_inputs n JOIN contatos c ON c.id = n.id_contato
    LEFT JOIN contact_phone_inputs o ON o.id_contato = n.id_contato
) w
WHERE c.ctid = w.place
  AND (nullif(c.celular_normalizado, ''), nullif(c.telefone_normalizado, ''))
      IS DISTINCT FROM (nullif(w.celular, ''), nullif(w.telefone, ''))
