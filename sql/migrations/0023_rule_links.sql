-- migrate:up

-- The links that the rules made, with what reviewers said of them, in the order in which they are drawn for review.
-- A link that a verdict or decision took away stays here: it was drawn from this population, and leaving it out would
-- make the others look better than they are.
--
-- `draw` orders the links as drawing one after the other does, each with a probability proportional to its weight among
-- those that are left: -ln(u) / weight with u uniform (Efraimidis and Spirakis). u is a hash of the link, so that the
-- order is the same every time and a link that changes is drawn anew. Links that are less sure weigh double: they tell
-- more about the share of right links.
CREATE VIEW rule_links AS
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
       l.is_linked OR j.verdict = 'right' AS is_in_force, w.weight,
       -ln((('x' || left(md5(l.file_path || '#' || l.chat_number || '>' || l.id_contato), 12))::bit(48)::bigint + 0.5)
           / 281474976710656.0) / w.weight AS draw
FROM links l
CROSS JOIN LATERAL (
    SELECT CASE WHEN l.confidence >= 0.99 THEN 1.0::double precision ELSE 2.0 END AS weight) w
LEFT JOIN LATERAL (
    SELECT v.verdict, v.reviewer FROM review_verdicts v
    WHERE v.id_chat_file = l.id_chat_file AND v.id_contato = l.id_contato AND v.match_status = 'linked'
      AND v.withdrawn_at IS NULL
    ORDER BY v.id DESC LIMIT 1) j ON true;

COMMENT ON VIEW rule_links IS
    'Links that the rules made and what reviewers said of them, in the order in which they are drawn for review';

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
