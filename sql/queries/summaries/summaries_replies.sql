-- Every change of turn from customer to staff: how long the customer's first unanswered message waited,
-- courtesies that end an exchange aside.
-- Business seconds of a moment are those of all days before it and those of its own day so far.
INSERT INTO work_replies (id_contato, asked_ref, ref, seq, seconds, business_seconds)
WITH turns AS (
    SELECT id_contato, seq, ref, at, direction,
           lag(direction) OVER (PARTITION BY id_contato ORDER BY seq) AS before
      FROM work_talk
     WHERE NOT (direction = 'from' AND closes)
), starts AS (
    SELECT id_contato, seq, ref, at, direction, lag(ref) OVER contact AS asked_ref, lag(at) OVER contact AS asked_at
      FROM turns
     WHERE before IS DISTINCT FROM direction
    WINDOW contact AS (PARTITION BY id_contato ORDER BY seq)
)
SELECT s.id_contato, s.asked_ref, s.ref, s.seq, extract(epoch FROM s.at - s.asked_at)::bigint,
       round(b.seconds_before - a.seconds_before
           + greatest(0, least(extract(epoch FROM s.at::time), b.closes_s) - b.opens_s)
           - greatest(0, least(extract(epoch FROM s.asked_at::time), a.closes_s) - a.opens_s))::bigint
  FROM starts s
  JOIN business_days a ON a.day = s.asked_at::date
  JOIN business_days b ON b.day = s.at::date
 WHERE s.direction = 'to' AND s.asked_at IS NOT NULL AND s.at - s.asked_at <= %(reply_limit)s
