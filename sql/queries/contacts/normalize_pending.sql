-- Contacts with ids in (%(after)s, %(upto)s] whose phone fields differ from what was normalized last, or whose
-- normalized columns were emptied since.
-- A field that was cut to fit its column is read in full, as long as the column still holds its beginning.
-- Where the user's table has an id twice, the fields of its rows are read as one.
WITH contacts AS (
    SELECT id, string_agg(celular::text, ' / ' ORDER BY celular::text) AS celular,
           string_agg(telefone::text, ' / ' ORDER BY telefone::text) AS telefone,
           bool_or(coalesce(celular_normalizado::text, '') = '') AS celular_empty,
           bool_or(coalesce(telefone_normalizado::text, '') = '') AS telefone_empty
    FROM contatos WHERE id > %(after)s AND id <= %(upto)s
    GROUP BY id
), fields AS (
    SELECT c.id, c.celular_empty, c.telefone_empty,
           CASE WHEN c.celular <> '' AND starts_with(s.celular, c.celular) THEN s.celular ELSE c.celular END
               AS celular,
           CASE WHEN c.telefone <> '' AND starts_with(s.telefone, c.telefone) THEN s.telefone ELSE c.telefone END
               AS telefone
    FROM contacts c LEFT JOIN contact_sources s ON s.id_contato = c.id
    AND s.id_contato > %(after)s AND s.id_contato <= %(upto)s
), hashed AS (
    SELECT id, celular, telefone, celular_empty, telefone_empty,
           decode(md5(jsonb_build_array(%(rules)s::text, celular, telefone)::text), 'hex') AS input_hash
    FROM fields
)
SELECT h.id, coalesce(h.celular, ''), coalesce(h.telefone, ''), h.input_hash
FROM hashed h LEFT JOIN contact_phone_inputs i
    ON i.id_contato = h.id AND i.id_contato > %(after)s AND i.id_contato <= %(upto)s
WHERE i.input_hash IS DISTINCT FROM h.input_hash OR h.celular_empty AND i.celular_digits <> ''
   OR h.telefone_empty AND i.telefone_digits <> ''
ORDER BY h.id
