-- Write the result of one check by month. Rows of other months (with every_month) and the row without a month are
-- deleted if the check did not find them again.
WITH found AS (
    SELECT * FROM unnest(%(months)s::text[], %(examined)s::bigint[], %(failing)s::bigint[], %(samples)s::text[])
        AS f (month, examined, failing, sample)
), deleted AS (
    DELETE FROM qa_results r
    WHERE r.check_name = %(check)s AND (%(every_month)s OR r.month IS NULL)
      AND NOT EXISTS (SELECT FROM found f WHERE f.month IS NOT DISTINCT FROM r.month)
)
INSERT INTO qa_results (check_name, month, examined, failing, severity, sample, run_id, evaluated_at)
SELECT %(check)s, month, examined, failing, %(severity)s, sample::json, %(run_id)s, %(at)s FROM found
ON CONFLICT (check_name, month) DO UPDATE
SET examined = excluded.examined, failing = excluded.failing, severity = excluded.severity,
    sample = excluded.sample, run_id = excluded.run_id, evaluated_at = excluded.evaluated_at
