-- The result of a check by month: rows examined, rows failing, and the first failing rows as JSON.
-- store/operations/checks.py fills the braces with the statements of the check's own file.
WITH examined AS ({examined}),
failing AS MATERIALIZED ({failing}),
placed AS (
    SELECT {failing_month} failing.*, row_number() OVER () AS _place FROM failing
),
ranked AS (
    SELECT placed.*, row_number() OVER (PARTITION BY month ORDER BY _place) AS _rank FROM placed
),
counted AS (
    SELECT {examined_month}, examined, 0 AS failing, NULL::json AS sample FROM examined
    UNION ALL
    SELECT month, 0, count(*), json_agg(ranked ORDER BY _rank) FILTER (WHERE _rank <= %(sample_rows)s)
    FROM ranked GROUP BY month
)
SELECT month, sum(examined), sum(failing), (array_agg(sample) FILTER (WHERE sample IS NOT NULL))[1]
FROM counted GROUP BY month ORDER BY month NULLS FIRST
