-- Every contact that has a phone of a staged chat: the title's, else the one most frequent inside the file.
-- `area` is unknown when either side lacks it: then only the last eight digits are compared. The same holds for a
-- contact whose area code was assumed and is not the chat's. A contact that was
-- deleted since its phones were normalized is no hit.
-- A month asks for few of all phones: OFFSET 0 keeps the planner to one look into an index for each.
WITH wanted AS (
    SELECT id, 'title' AS source, phone_key AS key FROM linking WHERE phone_key IS NOT NULL AND NOT is_group
    UNION ALL
    SELECT id, 'header', header_keys[1] FROM linking
    WHERE header_keys[1] IS NOT NULL AND NOT is_group AND header_keys[1] IS DISTINCT FROM phone_key
), hits AS (
    SELECT w.id, w.source, p.id_contato, p.field, p.had_ninth_digit,
           CASE p.kind WHEN 'unknown_area' THEN 'assumed' ELSE 'written' END AS area
    FROM wanted w CROSS JOIN LATERAL (SELECT * FROM contact_phones p WHERE p.key = w.key OFFSET 0) p
    WHERE left(w.key, 2) <> 'xx'
    UNION ALL
    SELECT w.id, w.source, p.id_contato, p.field, p.had_ninth_digit, 'unknown'
    FROM wanted w
    CROSS JOIN LATERAL (SELECT * FROM contact_phones p WHERE p.key = 'xx' || right(w.key, 8) OFFSET 0) p
    WHERE w.key ~ '^\d{10}$'
    UNION ALL
    SELECT w.id, w.source, p.id_contato, p.field, p.had_ninth_digit, 'unknown'
    FROM wanted w
    CROSS JOIN LATERAL (SELECT * FROM contact_phones p WHERE right(p.key, 8) = right(w.key, 8) OFFSET 0) p
    WHERE w.key ~ '^\d{10}$' AND p.kind = 'unknown_area' AND left(p.key, 2) NOT IN ('xx', left(w.key, 2))
    UNION ALL
    SELECT w.id, w.source, p.id_contato, p.field, p.had_ninth_digit, 'unknown'
    FROM wanted w
    CROSS JOIN LATERAL (SELECT * FROM contact_phones p WHERE right(p.key, 8) = right(w.key, 8) OFFSET 0) p
    WHERE left(w.key, 2) = 'xx' AND p.kind <> 'foreign' AND p.kind <> 'lid'
)
SELECT DISTINCT id, source, id_contato, field, area, had_ninth_digit
FROM hits h
WHERE EXISTS (SELECT FROM contatos c WHERE c.id = h.id_contato)
ORDER BY id, source, id_contato, field, area, had_ninth_digit
