-- The links of the rules in %(months)s, or in all months, by method: how many, their weights, and the verdicts in the
-- order of the draws up to the first link without one. Each method has an order of its own, and so have all together (`method` NULL).
WITH links AS MATERIALIZED (
    SELECT method, verdict, is_in_force, weight, draw FROM rule_links
     WHERE (%(months)s::text[] IS NULL OR month = ANY(%(months)s))
), grouped AS (
    SELECT method, count(*) AS links, sum(weight) AS total, min(weight) AS least,
           min(draw) FILTER (WHERE verdict IS NULL) AS first_open
    FROM links GROUP BY GROUPING SETS ((), (method))
)
SELECT g.method, g.links, g.total, g.least,
       coalesce(jsonb_agg(jsonb_build_array(l.weight, l.verdict, l.is_in_force) ORDER BY l.draw)
                FILTER (WHERE l.draw IS NOT NULL), '[]')
FROM grouped g
LEFT JOIN links l ON (g.method IS NULL OR l.method = g.method) AND l.verdict IS NOT NULL
                 AND l.draw < coalesce(g.first_open, 'infinity')
WHERE g.links > 0
GROUP BY g.method, g.links, g.total, g.least
ORDER BY g.method NULLS FIRST
