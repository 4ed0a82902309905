-- The chats of each month that a person should review: warnings first, then the rest of the month's sample.
WITH problems AS (
    SELECT month, file_path, array_agg(DISTINCT kind ORDER BY kind) AS kinds
    FROM exceptions WHERE month = ANY(%(months)s) AND severity <> 'info' GROUP BY month, file_path
), chats AS (
    SELECT f.*, coalesce(p.kinds, '{}') || f.match_flags AS warnings,
           CASE WHEN f.reference_os IS NOT NULL THEN 'order' WHEN f.phone_key IS NOT NULL THEN 'phone'
                ELSE 'name' END AS stratum,
           md5(f.file_path || '#' || f.chat_number) AS draw, r.draw AS link_draw
    FROM chat_files f
    LEFT JOIN problems p ON p.month = f.month AND p.file_path = f.file_path
    LEFT JOIN rule_links r ON r.id_chat_file = f.id AND r.month = f.month
    WHERE f.month = ANY(%(months)s) AND f.processing_status <> 'vanished'
), placed AS (
    -- The links of the rules are a separate stratum, in the order of their draws: the precision bound needs the
    -- first of them without a gap.
    SELECT *, row_number() OVER (PARTITION BY month, part ORDER BY link_draw, draw) AS place,
           count(*) OVER (PARTITION BY month, part) AS of_stratum, count(*) OVER (PARTITION BY month) AS of_all
    FROM (SELECT *, CASE WHEN link_draw IS NULL THEN stratum ELSE 'link' END AS part FROM chats) parted
), ranked AS (
    -- The first of each stratum, then the others by their relative rank in the stratum: each stratum gets its share.
    SELECT *, row_number() OVER (
        PARTITION BY month ORDER BY CASE WHEN place = 1 THEN 0 ELSE (place - 0.5) / of_stratum END, of_stratum, draw
    ) AS rank
    FROM placed
), latest AS (
    SELECT DISTINCT ON (v.id_chat_file) v.*
    FROM review_verdicts v JOIN chats c ON c.id = v.id_chat_file
    WHERE v.withdrawn_at IS NULL
      AND ((v.match_status, v.id_contato) IS NOT DISTINCT FROM (c.match_status, c.id_contato)
           OR (v.id_override IS NOT NULL AND c.match_status <> 'linked'))  -- the verdict itself changed this link
    ORDER BY v.id_chat_file, v.id DESC
)
SELECT r.id, r.month, r.stratum, r.file_path, r.title, r.message_count, r.match_status, r.match_method,
       r.match_confidence, r.id_contato, c.nome, r.id_ordem_servico, r.warnings, l.verdict, l.reviewer
FROM ranked r
LEFT JOIN contatos c ON c.id = r.id_contato
LEFT JOIN latest l ON l.id_chat_file = r.id
WHERE r.rank <= greatest(%(least)s, ceil(r.of_all * %(share)s)) OR r.warnings <> '{}'
ORDER BY r.month, r.warnings = '{}', r.stratum, r.draw
