-- The times that customers waited, and the exchanges with the median and the p90.
WITH replies AS (
    SELECT id_contato, count(*) AS n,
           percentile_disc(0.5) WITHIN GROUP (ORDER BY seconds) AS median,
           percentile_disc(0.9) WITHIN GROUP (ORDER BY seconds) AS p90,
           percentile_disc(0.5) WITHIN GROUP (ORDER BY business_seconds) AS median_business,
           percentile_disc(0.9) WITHIN GROUP (ORDER BY business_seconds) AS p90_business
      FROM work_replies
     GROUP BY id_contato
), reply_evidence AS (
    -- The exchange whose time is the median, and the one whose time is the p90.
    SELECT w.id_contato,
           (array_agg(jsonb_build_array(w.asked_ref, w.ref) ORDER BY w.seq DESC)
               FILTER (WHERE w.seconds = r.median))[1] AS median_refs,
           (array_agg(jsonb_build_array(w.asked_ref, w.ref) ORDER BY w.seq DESC)
               FILTER (WHERE w.seconds = r.p90))[1] AS p90_refs
      FROM work_replies w
      JOIN replies r USING (id_contato)
     WHERE w.seconds IN (r.median, r.p90)
     GROUP BY w.id_contato
), first_responses AS (
    SELECT id_contato, count(first_response_s) AS n,
           percentile_disc(0.5) WITHIN GROUP (ORDER BY first_response_s) AS median,
           percentile_disc(0.9) WITHIN GROUP (ORDER BY first_response_s) AS p90,
           percentile_disc(0.5) WITHIN GROUP (ORDER BY first_response_business_s) AS median_business,
           percentile_disc(0.9) WITHIN GROUP (ORDER BY first_response_business_s) AS p90_business
      FROM customer_conversations
     WHERE id_contato IN (SELECT c.id_contato FROM work_contacts c WHERE c.batch = %(batch)s)
     GROUP BY id_contato
)
SELECT id_contato,
       fr.n AS first_responses, fr.median AS first_median, fr.p90 AS first_p90,
       fr.median_business AS first_median_business, fr.p90_business AS first_p90_business,
       rp.n AS replies, rp.median AS reply_median, rp.p90 AS reply_p90,
       rp.median_business AS reply_median_business, rp.p90_business AS reply_p90_business,
       e.median_refs, e.p90_refs
  FROM first_responses fr
  LEFT JOIN replies rp USING (id_contato)
  LEFT JOIN reply_evidence e USING (id_contato)
