-- Change paths to those of the archive, from the year's folder on; a file without folders gets the folder of its date.
-- The pipeline reads each file again (status pending), and the links of the user's program stay until then. The hash is
-- one that no content has, which means that there are messages to compare with.
WITH placed AS (
    SELECT f.*, replace(f.file_path, '\', '/') || CASE
               WHEN right(replace(f.file_path, '\', '/'), length(f.filename)) = f.filename THEN ''
               ELSE '/' || f.filename END AS path
    FROM plan_chat_files f WHERE btrim(coalesce(f.filename, '')) <> ''
), found AS (
    SELECT p.*, coalesce(substring(path FROM '(?:^|/)(\d{4}/(?:0[1-9]|1[0-2])/.+)$'),
                         to_char(file_date, 'YYYY/MM/') || filename) AS place
    FROM placed p
)
INSERT INTO chat_files (id, filename, file_path, month, file_date, phone_number, customer_name, reference_os, id_contato,
                        id_ordem_servico, match_status, match_method, match_confidence, order_match_method, created_at,
                        loaded_hash)
OVERRIDING SYSTEM VALUE
SELECT DISTINCT ON (f.place) f.id, f.filename, f.place, replace(left(f.place, 7), '/', '-'), f.file_date, f.phone_number,
       f.customer_name, f.reference_os, c.id, o.id, CASE WHEN c.id IS NULL THEN 'pending' ELSE 'linked' END,
       CASE WHEN c.id IS NOT NULL THEN f.match_method END,
       CASE WHEN c.id IS NOT NULL AND f.match_confidence BETWEEN 0 AND 100
            THEN CASE WHEN f.match_confidence > 1 THEN f.match_confidence / 100 ELSE f.match_confidence END END,
       CASE WHEN o.id IS NOT NULL THEN f.order_match_method END, coalesce(f.created_at AT TIME ZONE %(zone)s, now()),
       CASE WHEN f.id IN (SELECT id_chat_file FROM plan_chat_messages WHERE message_timestamp IS NOT NULL)
            THEN '\x00'::bytea END
FROM found f LEFT JOIN contatos c ON c.id = f.id_contato LEFT JOIN ordens_servico o ON o.id = f.id_ordem_servico
WHERE f.place IS NOT NULL
ORDER BY f.place, f.id
