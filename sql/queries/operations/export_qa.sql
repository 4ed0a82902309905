SELECT check_name, month, severity, examined, failing, evaluated_at
  FROM qa_results
 WHERE (%(months)s::text[] IS NULL OR month IS NULL OR month = ANY(%(months)s))
 ORDER BY check_name, month
