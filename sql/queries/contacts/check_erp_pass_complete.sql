-- The newest pass over the ERP's contacts, or over its orders, when it is not complete. A pass that is running
-- belongs to another run, and that run's check judges it.

-- name: examined
SELECT CASE %(resource)s WHEN 'contatos' THEN (SELECT count(*) FROM contact_sources)
                         ELSE (SELECT count(*) FROM order_sources) END AS examined

-- name: failing
SELECT resource, scope, status, items, expected, started_at::text AS started_at
FROM erp_passes p
WHERE resource = %(resource)s AND id = (
    SELECT max(id) FROM erp_passes q
    WHERE q.resource = p.resource AND q.scope = p.scope AND (%(quiet)s OR q.status <> 'running')
) AND (status <> 'complete' OR items < expected)
ORDER BY scope
