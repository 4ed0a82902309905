-- Closed months with an unusual number of chats. A month is compared with the median of the others,
-- and only where there are at least three others.

-- name: examined
SELECT month, count(DISTINCT month) AS examined FROM chat_files WHERE month = ANY(%(months)s) GROUP BY month

-- name: failing
WITH files AS (
    SELECT month, count(*) AS files FROM chat_files WHERE processing_status <> 'vanished' GROUP BY month
)
SELECT f.month, f.files, o.usual
FROM files f CROSS JOIN LATERAL (
    SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY files) AS usual, count(*) AS months
    FROM files o WHERE o.month <> f.month
) o
WHERE f.month = ANY(%(months)s) AND o.months >= 3 AND f.month < to_char(%(today)s::date, 'YYYY-MM')
  AND (f.files < o.usual * 0.4 OR f.files > o.usual * 2.5)
ORDER BY f.month
