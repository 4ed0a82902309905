-- The newest pass over the ERP's contacts that ended well, when it brought far fewer rows than are known. A
-- full pass lists every status, deleted contacts too. An incremental pass looks back before the newest change,
-- so it lists at least that one again. Before the first pass, what other programs have filled is known.

-- name: examined
SELECT count(*) AS examined FROM contact_sources

-- name: failing
SELECT p.scope, p.items AS listed_now, known.contacts AS known_before, p.started_at::text AS started_at
FROM (SELECT * FROM erp_passes WHERE resource = 'contatos' AND status = 'complete' ORDER BY id DESC LIMIT 1) p
CROSS JOIN (SELECT coalesce(nullif((SELECT count(*) FROM contact_sources), 0),
                            (SELECT count(*) FROM contatos)) AS contacts) known
WHERE CASE WHEN p.scope = 'full' AND p.items > 0 THEN p.items * 2 < known.contacts
           ELSE p.items = 0 AND known.contacts > 0 END
