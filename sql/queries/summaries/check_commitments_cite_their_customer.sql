-- Commitments whose message, or the message that shows their outcome, is deleted or belongs to another contact or chat, and
-- commitments without a customer whose chat has one.

-- name: examined
SELECT count(*) AS examined FROM commitments

-- name: failing
SELECT k.id_contato, k.id_chat_file, k.conversation_id, k.kind, k.source, k.message_id
FROM commitments k
WHERE NOT EXISTS (
          SELECT FROM chat_messages m JOIN chat_files f ON f.id = m.id_chat_file
          WHERE k.source = 'chat' AND m.id = k.message_id AND (f.id_contato = k.id_contato OR f.id = k.id_chat_file)
          UNION ALL
          SELECT FROM conversation_messages m JOIN conversations c ON c.id = m.conversation_id
          WHERE k.source = 'webhook' AND m.id = k.message_id
            AND (c.id_contato = k.id_contato OR c.id = k.conversation_id))
   OR k.outcome_source = 'chat' AND NOT EXISTS (
          SELECT FROM chat_messages m JOIN chat_files f ON f.id = m.id_chat_file
          WHERE m.id = k.outcome_id AND (f.id_contato = k.id_contato OR f.id = k.id_chat_file))
   OR k.outcome_source = 'webhook' AND NOT EXISTS (
          SELECT FROM conversation_messages m JOIN conversations c ON c.id = m.conversation_id
          WHERE m.id = k.outcome_id AND (c.id_contato = k.id_contato OR c.id = k.conversation_id))
   OR k.outcome_source = 'order' AND NOT EXISTS (SELECT FROM ordens_servico o WHERE o.id = k.outcome_id)
   OR k.id_chat_file IS NOT NULL AND EXISTS (
          SELECT FROM chat_files f
          WHERE f.id = k.id_chat_file AND f.id_contato IS NOT NULL AND f.match_status IN ('linked', 'manual'))
   OR k.conversation_id IS NOT NULL AND EXISTS (
          SELECT FROM conversations c
          WHERE c.id = k.conversation_id AND c.id_contato IS NOT NULL AND c.match_status IN ('linked', 'manual'))
ORDER BY k.id_contato, k.said_at, k.source, k.message_id, k.number
