-- By phone method, the contacts whose links by it people called right and wrong. One decision on a phone judges all of
-- its chats, so a contact counts once, by the newest verdict.
SELECT method, count(*) FILTER (WHERE verdict = 'right') AS "right", count(*) FILTER (WHERE verdict = 'wrong') AS wrong
FROM (
    SELECT DISTINCT ON (match_method, id_contato) match_method AS method, verdict
    FROM review_verdicts
    WHERE withdrawn_at IS NULL AND match_status = 'linked' AND verdict IN ('right', 'wrong')
      AND id_contato IS NOT NULL
      AND match_method IN ('exact_phone', 'normalized_phone', 'secondary_phone', 'phone_header')
    ORDER BY match_method, id_contato, id DESC
) newest
GROUP BY method ORDER BY method
