-- When customers open conversations: weekday (1: Monday) and hour.
SELECT extract(isodow FROM started_at)::int AS weekday, extract(hour FROM started_at)::int AS hour, count(*)::int AS conversations
  FROM customer_conversations
 WHERE opened_by = 'customer'
 GROUP BY 1, 2 ORDER BY 1, 2
