-- migrate:up

-- As before (0023), and several times as fast: verdicts are joined at once instead of looked up for each link, and the
-- logarithm is of a double instead of a numeric.
CREATE OR REPLACE VIEW rule_links AS
WITH links AS (
    SELECT f.id AS id_chat_file, f.month, f.file_path, f.chat_number, f.id_contato, f.match_method AS method,
           f.match_confidence AS confidence, true AS is_linked
    FROM chat_files f
    WHERE f.match_status = 'linked' AND f.processing_status <> 'vanished'
    UNION ALL
    SELECT * FROM (
        SELECT DISTINCT ON (f.id) f.id, f.month, f.file_path, f.chat_number, v.id_contato, v.match_method,
               v.match_confidence, false
        FROM review_verdicts v JOIN chat_files f ON f.id = v.id_chat_file
        WHERE v.withdrawn_at IS NULL AND v.id_override IS NOT NULL AND v.match_status = 'linked'
          AND f.match_status <> 'linked' AND f.processing_status <> 'vanished'
        ORDER BY f.id, v.id DESC) settled
)
SELECT l.id_chat_file, l.month, l.id_contato, l.method, l.confidence, j.verdict, j.reviewer,
       l.is_linked OR j.verdict = 'right' AS is_in_force,
       CASE WHEN l.confidence >= 0.99 THEN 1.0::double precision ELSE 2.0 END AS weight,
       -ln((('x' || left(md5(l.file_path || '#' || l.chat_number || '>' || l.id_contato), 12))::bit(48)::bigint
               ::double precision + 0.5) / 281474976710656::double precision)
           / CASE WHEN l.confidence >= 0.99 THEN 1.0::double precision ELSE 2.0 END AS draw
FROM links l
LEFT JOIN (
    SELECT DISTINCT ON (v.id_chat_file, v.id_contato) v.id_chat_file, v.id_contato, v.verdict, v.reviewer
    FROM review_verdicts v
    WHERE v.match_status = 'linked' AND v.withdrawn_at IS NULL
    ORDER BY v.id_chat_file, v.id_contato, v.id DESC
) j ON j.id_chat_file = l.id_chat_file AND j.id_contato = l.id_contato;

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
