-- Commitments in the part's messages, in the order of the messages, with the order that the conversation had then.
SELECT w.id_contato, w.source || ':' || w.id, w.at, w.direction, r.commitments,
       (SELECT s.id_ordem_servico FROM work_sessions s
         WHERE s.id_contato = w.id_contato AND w.at BETWEEN s.started_at AND s.ended_at
         ORDER BY s.confidence DESC NULLS LAST, s.started_at DESC, s.id_ordem_servico LIMIT 1)
  FROM work_messages w
  JOIN message_readings r USING (text_hash)
 WHERE w.conversation IS NOT NULL AND r.commitments IS NOT NULL
 ORDER BY w.id_contato, w.seq
