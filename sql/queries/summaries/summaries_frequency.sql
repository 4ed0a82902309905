-- How frequently a contact writes, by the conversations begun in windows that end at the given moment.
INSERT INTO work_frequency (id_contato, class)
SELECT id_contato,
       CASE WHEN count(*) FILTER (WHERE started_at > %(as_of)s - %(frequent_window)s) >= %(frequent_count)s
            THEN 'frequent'
            WHEN count(*) FILTER (WHERE started_at > %(as_of)s - %(regular_window)s) >= %(regular_count)s
            THEN 'regular'
            WHEN count(*) FILTER (WHERE started_at > %(as_of)s - %(occasional_window)s) >= %(occasional_count)s
            THEN 'occasional'
            ELSE 'rare' END
  FROM customer_conversations
 WHERE started_at <= %(as_of)s
   AND (%(batch)s::integer IS NULL
        OR id_contato IN (SELECT w.id_contato FROM work_contacts w WHERE w.batch = %(batch)s::integer))
 GROUP BY id_contato
