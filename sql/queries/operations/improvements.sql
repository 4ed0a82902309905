-- Things that a person could improve, by value: the number of chats of the months that depend on each.
WITH chats AS (
    SELECT * FROM chat_files
    WHERE month = ANY(%(months)s) AND processing_status <> 'vanished' AND NOT is_group
), without_phone AS (
    SELECT c.id FROM contatos c
    WHERE NOT EXISTS (SELECT FROM contact_phones p WHERE p.id_contato = c.id AND p.key IS NOT NULL)
), shared_phones AS (
    SELECT key FROM contact_phones WHERE key IS NOT NULL GROUP BY key HAVING count(DISTINCT id_contato) > 1
), found AS (
    SELECT 'contacts_without_phone' AS kind, count(DISTINCT n.id) AS things, count(DISTINCT f.id) AS chats
    FROM chats f
    CROSS JOIN LATERAL (
        SELECT f.id_contato UNION SELECT c.id_contato FROM match_candidates c WHERE c.id_chat_file = f.id
    ) AS possible (id_contato)
    JOIN without_phone n ON n.id = possible.id_contato
    WHERE f.match_status <> 'manual'
    UNION ALL
    SELECT 'phones_of_several_contacts', count(DISTINCT p.key), count(*)
    FROM chats f JOIN shared_phones p ON p.key = f.phone_key WHERE f.match_status IN ('ambiguous', 'proposed')
    UNION ALL
    SELECT 'numbers_of_no_contact', count(DISTINCT f.phone_key), count(*)
    FROM chats f
    WHERE f.match_status = 'unmatched' AND f.phone_key IS NOT NULL
      AND NOT EXISTS (SELECT FROM contact_phones p WHERE p.key = f.phone_key)
    UNION ALL
    SELECT 'chats_in_doubt', count(*), count(*) FROM chats WHERE match_status IN ('ambiguous', 'proposed')
    UNION ALL
    SELECT 'contradictory_evidence', count(*), count(*) FROM chats WHERE match_flags <> '{}'
    UNION ALL
    SELECT 'titles_without_evidence', count(*), count(*) FROM chats
    WHERE phone_key IS NULL AND btrim(coalesce(customer_name, '')) = '' AND reference_os IS NULL
      AND processing_status <> 'failed'
    UNION ALL
    SELECT 'files_not_loaded', count(*), count(*) FROM chats WHERE processing_status <> 'loaded'
    UNION ALL
    SELECT 'unreadable_lines', count(*), count(DISTINCT file_path) FROM exceptions
    WHERE stage = 'chat_messages' AND severity = 'error' AND month = ANY(%(months)s)
    UNION ALL
    SELECT 'unknown_side', count(*), count(DISTINCT m.id_chat_file)
    FROM chat_messages m JOIN chats f ON f.id = m.id_chat_file WHERE m.direction IS NULL
    UNION ALL
    SELECT 'originals_missing', count(*), count(DISTINCT m.id_chat_file)
    FROM chat_messages m JOIN chats f ON f.id = m.id_chat_file
    WHERE m.reply_to_id IS NULL AND (m.reply_timestamp IS NOT NULL OR m.responding_to IS NOT NULL)
    UNION ALL
    SELECT 'orders_not_in_table', count(DISTINCT n.number), count(DISTINCT f.id)
    FROM chats f JOIN chat_sessions s ON s.id_chat_file = f.id CROSS JOIN LATERAL unnest(s.order_numbers) AS n (number)
    WHERE NOT EXISTS (
        SELECT FROM ordens_servico o WHERE ltrim(o.numero_ordem_servico::text, '0') = ltrim(n.number, '0'))
)
SELECT kind, things, chats FROM found WHERE chats > 0 ORDER BY chats DESC, things DESC, kind
