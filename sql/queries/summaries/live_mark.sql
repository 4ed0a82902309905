-- Note that summaries were made of the conversations of %(contacts)s (null: of everybody) as they were at %(started)s.
-- A conversation that another worker is changing is skipped, because it changed after %(started)s.
WITH read AS (
    SELECT id, CASE WHEN match_status IN ('linked', 'manual') THEN id_contato END AS contact
      FROM conversations
     WHERE NOT is_group
       AND (%(contacts)s::bigint[] IS NULL OR id_contato = ANY (%(contacts)s)
            OR summarized_contact = ANY (%(contacts)s))
       AND (summarized_at IS NULL OR changed_at > summarized_at
            OR summarized_contact IS DISTINCT FROM
               CASE WHEN match_status IN ('linked', 'manual') THEN id_contato END)
       FOR UPDATE SKIP LOCKED
)
UPDATE conversations c SET summarized_at = %(started)s, summarized_contact = r.contact
  FROM read r
 WHERE r.id = c.id AND (%(contacts)s::bigint[] IS NULL OR r.contact IS NULL OR r.contact = ANY (%(contacts)s))
