-- Summaries with times that cannot be: negative, longer than 30 days, more in business time than by the
-- clock, a 90th percentile below the median, or a last interaction before the first or in the future.

-- name: examined
SELECT count(*) AS examined FROM customer_chat_summaries

-- name: failing
SELECT id_contato, first_response_median_s, first_response_p90_s, first_response_median_business_s,
       first_response_p90_business_s, reply_median_s, reply_p90_s, reply_median_business_s, reply_p90_business_s,
       first_interaction_date, last_interaction_date
FROM customer_chat_summaries
WHERE least(first_response_median_s, reply_median_s, reply_median_business_s,
            first_response_median_business_s) < 0
   OR greatest(first_response_p90_s, reply_p90_s) > 30 * 86400
   OR first_response_median_business_s > first_response_median_s
   OR first_response_p90_business_s > first_response_p90_s
   OR reply_median_business_s > reply_median_s
   OR reply_p90_business_s > reply_p90_s
   OR first_response_p90_s < first_response_median_s
   OR first_response_p90_business_s < first_response_median_business_s
   OR reply_p90_s < reply_median_s
   OR reply_p90_business_s < reply_median_business_s
   OR last_interaction_date < first_interaction_date
   OR last_interaction_date > %(now)s::timestamptz::timestamp + interval '2 days'
ORDER BY id_contato
