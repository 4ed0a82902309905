-- Inputs of linking %(month)s from contacts: phones that end like a phone of the month's chats, and the existing ones
-- among the contacts named by a phone or order number of the month. The names of all contacts are another part, and
-- contacts named by decisions belong to the decisions.
-- OFFSET 0: one look into an index for each chat, phone and number of the month, whatever the size of the tables.
WITH chats AS MATERIALIZED (
    SELECT id, file_path, chat_number, title, phone_key, reference_os, is_group
    FROM chat_files WHERE month = %(month)s AND processing_status <> 'vanished'
), tails AS (
    SELECT right(phone_key, 8) AS tail FROM chats WHERE phone_key IS NOT NULL
    UNION SELECT right(p.key, 8)
    FROM chats c CROSS JOIN LATERAL (SELECT p.key FROM chat_phones p WHERE p.id_chat_file = c.id OFFSET 0) p
    WHERE p.key IS NOT NULL
), phones AS MATERIALIZED (
    SELECT p.id_contato, p.field, p.position, p.key, p.kind, p.had_ninth_digit
    FROM tails t CROSS JOIN LATERAL (SELECT * FROM contact_phones p WHERE right(p.key, 8) = t.tail OFFSET 0) p
), numbers AS (
    SELECT ltrim(reference_os, '0') AS number FROM chats WHERE reference_os IS NOT NULL
    UNION SELECT ltrim(n.number, '0')
    FROM chats c
    CROSS JOIN LATERAL (SELECT s.order_numbers FROM chat_sessions s WHERE s.id_chat_file = c.id OFFSET 0) s,
         unnest(s.order_numbers) AS n(number)
), named AS (
    SELECT id_contato FROM phones
    UNION SELECT o.id_contato
    FROM numbers n CROSS JOIN LATERAL (
        SELECT o.id_contato FROM ordens_servico o WHERE ltrim(o.numero_ordem_servico::text, '0') = n.number OFFSET 0) o
    UNION SELECT o.id_contato
    FROM numbers n JOIN ordens_servico o ON o.id = CASE WHEN n.number ~ '^\d{1,9}$' THEN n.number::bigint END
)
SELECT (SELECT sum(hashint8extended(hash_record_extended(p, 0), 0)) FROM phones p),
       (SELECT sum(hashint8extended(hash_record_extended(ROW(id), 0), 0))
        FROM (SELECT DISTINCT c.id FROM named JOIN contatos c ON c.id = named.id_contato) known)
