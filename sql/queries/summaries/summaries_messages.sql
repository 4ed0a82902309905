-- The messages of one part of the contacts, in one timeline a contact over archive and webhook, with the
-- conversation each belongs to. Ties in time are broken by content, never by when a row was loaded. One that was
-- deleted was written, and says nothing: its text in an export is WhatsApp's.
INSERT INTO work_messages (id_contato, seq, source, id, at, direction, type, body, text_hash, conversation)
WITH contacts AS MATERIALIZED (
    SELECT id_contato FROM work_contacts WHERE part = %(part)s
), both_sources AS (
    SELECT f.id_contato, 'chat' AS source, m.id, m.message_timestamp AS at, m.direction, m.type, m.ordinal,
           m.body_hash, CASE WHEN m.type <> 'deleted' THEN nullif(m.message_text, '') END AS body
      FROM contacts c
      JOIN chat_files f USING (id_contato)
      JOIN chat_messages m ON m.id_chat_file = f.id
     WHERE f.match_status IN ('linked', 'manual') AND f.duplicate_of IS NULL AND m.duplicate_of IS NULL
    UNION ALL
    SELECT w.id_contato, 'webhook', w.message_id, w.sent_at AT TIME ZONE %(zone)s, w.direction, w.type, 0,
           hashtextextended(w.text, 0), w.text
      FROM contacts c
      JOIN conversation_only_messages w USING (id_contato)
     WHERE w.match_status IN ('linked', 'manual')
), ordered AS (
    SELECT *, direction IN ('from', 'to') IS TRUE AS talks,
           row_number() OVER (PARTITION BY id_contato ORDER BY at, source, ordinal, direction, body_hash, id) AS seq
      FROM both_sources
), gaps AS (
    SELECT *, at - max(at) FILTER (WHERE talks) OVER (
               PARTITION BY id_contato ORDER BY seq ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS gap
      FROM ordered
)
SELECT id_contato, seq, source, id, at, direction, type, body, hashtextextended(body, 0),
       CASE WHEN talks THEN 1 + count(*) FILTER (WHERE talks AND gap > %(gap)s) OVER (
           PARTITION BY id_contato ORDER BY seq ROWS UNBOUNDED PRECEDING) END
  FROM gaps
