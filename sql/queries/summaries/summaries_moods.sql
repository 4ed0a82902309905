-- The customer's mood: the 90 days up to their last message, their last conversation, and the 90 days before
-- it. Half a neutral message is added, so that one word alone is no extreme.
WITH spoken AS MATERIALIZED (
    SELECT id_contato, min(at) AS first_at, max(at) AS last_at, min(seq) AS first_seq, max(seq) AS last_seq,
           max(conversation) AS conversations, max(seq) FILTER (WHERE direction = 'to') AS last_staff_seq
      FROM work_talk
     GROUP BY id_contato
), last_conversation AS (
    SELECT t.id_contato, min(t.at) AS started_at
      FROM work_talk t
      JOIN spoken s ON s.id_contato = t.id_contato AND s.conversations = t.conversation
     GROUP BY t.id_contato
), moods AS (
    SELECT t.id_contato,
           sum(score * weight) FILTER (WHERE t.at > s.last_at - interval '90 days')
               / (sum(weight) FILTER (WHERE t.at > s.last_at - interval '90 days') + 0.5) AS recent,
           sum(score * weight) FILTER (WHERE t.conversation = s.conversations)
               / (sum(weight) FILTER (WHERE t.conversation = s.conversations) + 0.5) AS last,
           sum(score * weight) FILTER (WHERE t.conversation < s.conversations
                                         AND t.at >= l.started_at - interval '90 days')
               / (sum(weight) FILTER (WHERE t.conversation < s.conversations
                                        AND t.at >= l.started_at - interval '90 days') + 0.5) AS before
      FROM work_talk t
      JOIN spoken s USING (id_contato)
      JOIN last_conversation l USING (id_contato)
     WHERE t.opinion
     GROUP BY t.id_contato
), mood_evidence AS (
    SELECT DISTINCT ON (t.id_contato) t.id_contato, t.ref, t.evidence_start, t.evidence_end
      FROM work_talk t
      JOIN spoken s USING (id_contato)
      JOIN moods m USING (id_contato)
     WHERE t.opinion AND t.at > s.last_at - interval '90 days'
       AND (t.score * m.recent > 0 OR abs(m.recent) < %(opinion)s)
     ORDER BY t.id_contato, abs(t.score * t.weight) DESC, t.seq DESC
)
SELECT m.id_contato, m.recent AS mood, m.last AS mood_last, m.before AS mood_before,
       e.ref AS mood_ref, e.evidence_start AS mood_start, e.evidence_end AS mood_end
  FROM moods m
  LEFT JOIN mood_evidence e USING (id_contato)
