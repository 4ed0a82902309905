-- Commitments in the batch's messages, in the order of the messages.
SELECT w.id_contato, w.source || ':' || w.id, w.at, w.direction, r.commitments::text
  FROM work_messages w
  JOIN message_readings r USING (text_hash)
 WHERE w.conversation IS NOT NULL AND r.commitments IS NOT NULL
 ORDER BY w.id_contato, w.seq
