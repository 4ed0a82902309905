-- The messages of one batch of the contacts, in one timeline per contact over archive and webhook, with the
-- conversation each belongs to. Notices, calls and deleted messages are counted, but belong to no conversation, because
-- nobody wrote them. The contacts are given as a list, so that the view reads only theirs.
INSERT INTO work_messages (id_contato, seq, source, id, at, direction, type, body, text_hash, conversation, opens)
WITH said AS (
    SELECT id_contato, source, message_id AS id, at, file, ordinal, direction, type, nullif(text, '') AS body,
           direction IN ('from', 'to') IS TRUE AS talks
      FROM (SELECT *, speaking_side(side, type) AS direction FROM messages_all) m
     WHERE id_contato = ANY (%(contacts)s)
       -- An answer of an assistant that was not sent reached no customer, so it is not counted.
       AND side IS DISTINCT FROM 'unsent'
), opened AS (
    SELECT *, row_number() OVER contact AS seq,
           talks AND (at - max(at) FILTER (WHERE talks) OVER (
               contact ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) <= %(gap)s) IS NOT TRUE AS opens
      FROM said
    WINDOW contact AS (PARTITION BY id_contato ORDER BY {message_order})
)
SELECT id_contato, seq, source, id, at, direction, type, body, hashtextextended(body, 0),
       -- In the order of the rows above, which need no second sort then.
       CASE WHEN talks THEN count(*) FILTER (WHERE opens) OVER (
           PARTITION BY id_contato ORDER BY {message_order} ROWS UNBOUNDED PRECEDING) END, opens
  FROM opened
