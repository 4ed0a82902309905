-- Commitments of staff in the last 90 days that were broken, or for whose fulfilment there is no evidence.

-- name: examined
SELECT count(*) AS examined FROM commitments
WHERE side = 'staff' AND due_on IS NOT NULL AND due_on < %(today)s::date
  AND said_at >= %(today)s::date - 90 AND outcome IS DISTINCT FROM 'superseded'

-- name: failing
SELECT k.id_contato, k.id_chat_file, k.conversation_id, k.kind, commitment_status(k.kind, k.outcome, k.due_on, %(today)s::date) AS status,
       k.due_on::text AS due_on, k.id_ordem_servico, k.source, k.message_id
FROM commitments k
WHERE k.side = 'staff' AND k.said_at >= %(today)s::date - 90 AND k.due_on < %(today)s::date
  AND (k.outcome IS NULL OR k.outcome = 'broken')
ORDER BY k.due_on, k.id_contato, k.source, k.message_id, k.number
