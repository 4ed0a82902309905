-- migrate:up

-- Verdicts correct the weights of phone methods; the corrections are kept like fitted models.
ALTER TABLE link_models DROP CONSTRAINT link_models_kind_check;
ALTER TABLE link_models ADD CONSTRAINT link_models_kind_check CHECK (kind IN ('names', 'orders', 'phones'));
COMMENT ON COLUMN link_models.kind IS
    'names, orders, or phones: what verdicts add to the weight of each phone method, in log odds';

-- The guaranteed precision needs draws that no verdict moves. The confidence of a phone link follows verdicts now, so
-- its weight in the draw follows from its method alone.
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
), weighed AS (
    SELECT *, CASE WHEN method IN ('exact_phone', 'normalized_phone', 'secondary_phone') THEN 1.0::double precision
                   WHEN method = 'phone_header' OR confidence < 0.99 THEN 2.0 ELSE 1.0 END AS weight
    FROM links
)
SELECT l.id_chat_file, l.month, l.id_contato, l.method, l.confidence, j.verdict, j.reviewer,
       l.is_linked OR j.verdict = 'right' AS is_in_force, l.weight,
       -ln((('x' || left(md5(l.file_path || '#' || l.chat_number || '>' || l.id_contato), 12))::bit(48)::bigint
               ::double precision + 0.5) / 281474976710656::double precision) / l.weight AS draw
FROM weighed l
LEFT JOIN (
    SELECT DISTINCT ON (v.id_chat_file, v.id_contato) v.id_chat_file, v.id_contato, v.verdict, v.reviewer
    FROM review_verdicts v
    WHERE v.match_status = 'linked' AND v.withdrawn_at IS NULL
    ORDER BY v.id_chat_file, v.id_contato, v.id DESC
) j ON j.id_chat_file = l.id_chat_file AND j.id_contato = l.id_contato;

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
