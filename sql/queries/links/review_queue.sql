-- Chats that wait for a person, the most valuable first: many messages, and likely to find a contact.
SELECT f.id, f.title, f.file_path, f.chat_number, f.phone_key, f.match_status, f.match_flags,
       coalesce(f.message_count, 0) AS messages, f.first_message_at, f.last_message_at,
       c.candidates
FROM chat_files f
CROSS JOIN LATERAL (
    SELECT coalesce(sum(m.confidence), 0) AS mass,
           coalesce(jsonb_agg(jsonb_build_object(
               'id', m.id_contato, 'nome', coalesce(k.nome, ''), 'fantasia', coalesce(k.fantasia, ''),
               'celular', coalesce(k.celular::text, ''), 'telefone', coalesce(k.telefone::text, ''),
               'confidence', m.confidence, 'method', m.method, 'evidence', m.evidence) ORDER BY m.rank), '[]')
               AS candidates
    FROM match_candidates m JOIN contatos k ON k.id = m.id_contato
    WHERE m.id_chat_file = f.id
) c
WHERE f.month = %(month)s AND f.match_status IN ('ambiguous', 'proposed') AND f.processing_status <> 'vanished'
ORDER BY (coalesce(f.message_count, 0) + 1) * least(c.mass, 1) DESC, f.last_message_at DESC NULLS LAST, f.id
LIMIT %(limit)s
