-- Inputs of linking %(month)s from orders: orders of its contacts and candidates, and orders whose number it names.
-- Orders of a contact that is certain count only near the dates of the month's chats. Orders of candidates always count,
-- because a device can decide between the candidates.
-- OFFSET 0: one look into an index for each chat, phone and number of the month, whatever the size of the tables.
WITH chats AS MATERIALIZED (
    SELECT id, id_contato, match_status, phone_key, reference_os, first_message_at, last_message_at, file_date
    FROM chat_files WHERE month = %(month)s AND processing_status <> 'vanished'
), span AS (
    SELECT min(coalesce(first_message_at, file_date))::date - 200 AS first_day,
           max(coalesce(last_message_at, file_date))::date + 200 AS last_day FROM chats
), tails AS (
    SELECT right(phone_key, 8) AS tail FROM chats WHERE phone_key IS NOT NULL
    UNION SELECT right(p.key, 8)
    FROM chats c CROSS JOIN LATERAL (SELECT p.key FROM chat_phones p WHERE p.id_chat_file = c.id OFFSET 0) p
    WHERE p.key IS NOT NULL
), candidates AS (
    SELECT p.id_contato, count(*) OVER (PARTITION BY t.tail) > 1 AS doubtful
    FROM tails t
    CROSS JOIN LATERAL (SELECT p.id_contato FROM contact_phones p WHERE right(p.key, 8) = t.tail OFFSET 0) p
    UNION ALL
    SELECT m.id_contato, c.match_status <> 'linked' OR count(*) OVER (PARTITION BY c.id) > 1
    FROM chats c
    CROSS JOIN LATERAL (SELECT m.id_contato FROM match_candidates m WHERE m.id_chat_file = c.id OFFSET 0) m
    UNION ALL
    SELECT id_contato, false FROM chats WHERE id_contato IS NOT NULL
), people AS MATERIALIZED (
    SELECT id_contato, bool_or(doubtful) AS doubtful FROM candidates GROUP BY id_contato
), numbers AS MATERIALIZED (
    SELECT ltrim(reference_os, '0') AS number FROM chats WHERE reference_os IS NOT NULL
    UNION SELECT ltrim(n.number, '0')
    FROM chats c
    CROSS JOIN LATERAL (SELECT s.order_numbers FROM chat_sessions s WHERE s.id_chat_file = c.id OFFSET 0) s,
         unnest(s.order_numbers) AS n(number)
), relevant AS (
    SELECT o.id
    FROM people p JOIN ordens_servico o ON o.id_contato = p.id_contato CROSS JOIN span
    WHERE p.doubtful OR o.data_emissao::date <= span.last_day
          AND coalesce(o.data_conclusao::date, o.data_emissao::date) >= span.first_day
    UNION
    SELECT o.id FROM numbers n CROSS JOIN LATERAL (
        SELECT o.id FROM ordens_servico o WHERE ltrim(o.numero_ordem_servico::text, '0') = n.number OFFSET 0) o
    UNION
    SELECT o.id FROM numbers n JOIN ordens_servico o ON o.id = CASE WHEN n.number ~ '^\d{1,9}$' THEN n.number::bigint END
)
SELECT sum(hashint8extended(hash_record_extended(ROW(
           o.id, o.numero_ordem_servico, o.id_contato, o.data_emissao, o.data_conclusao, o.equipamento), 0), 0))
FROM relevant JOIN ordens_servico o USING (id)
