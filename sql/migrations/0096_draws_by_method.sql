-- migrate:up

-- 0088 gave the draws the weight of 0024 again. The weight is that of 0051: a verdict moves the confidence of a phone's
-- link, so the weight of such a link follows from its method alone, and no verdict moves a draw.
DROP INDEX chat_files_draw_idx;
CREATE FUNCTION link_weight(method text, confidence double precision) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN method IN ('exact_phone', 'normalized_phone', 'secondary_phone') THEN 1.0::double precision
            WHEN method = 'phone_header' OR confidence < 0.99 THEN 2.0 ELSE 1.0 END;
COMMENT ON FUNCTION link_weight(text, double precision) IS
    'How many times as likely a link is drawn for review: 2 where it is less sure, since it tells more about the share of right links';
CREATE FUNCTION link_draw(file_path text, chat_number integer, id_contato bigint, method text, confidence double precision)
RETURNS double precision LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN -ln((('x' || left(md5(file_path || '#' || chat_number::text || '>' || id_contato::text), 12))::bit(48)::bigint
               ::double precision + 0.5) / 281474976710656::double precision) / link_weight(method, confidence);
COMMENT ON FUNCTION link_draw(text, integer, bigint, text, double precision) IS
    'Where a link of the rules stands in the order in which links are drawn for review';
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
       l.is_linked OR j.verdict = 'right' AS is_in_force, link_weight(l.method, l.confidence) AS weight,
       link_draw(l.file_path, l.chat_number, l.id_contato, l.method, l.confidence) AS draw
FROM links l
LEFT JOIN (
    SELECT DISTINCT ON (v.id_chat_file, v.id_contato) v.id_chat_file, v.id_contato, v.verdict, v.reviewer
    FROM review_verdicts v
    WHERE v.match_status = 'linked' AND v.withdrawn_at IS NULL
    ORDER BY v.id_chat_file, v.id_contato, v.id DESC
) j ON j.id_chat_file = l.id_chat_file AND j.id_contato = l.id_contato;
DROP FUNCTION link_draw(text, integer, bigint, double precision);
CREATE INDEX chat_files_draw_idx ON chat_files (link_draw(file_path, chat_number, id_contato, match_method, match_confidence))
    WHERE match_status = 'linked' AND processing_status <> 'vanished';

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
