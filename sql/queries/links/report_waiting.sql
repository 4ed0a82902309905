SELECT f.id, coalesce(f.title, ''), f.match_status, f.match_confidence,
       coalesce((SELECT array_agg(m.id_contato ORDER BY m.rank) FROM match_candidates m
                 WHERE m.id_chat_file = f.id), '{}'),
       f.match_flags,
       coalesce((SELECT array_agg(concat_ws(' / ', nullif(k.nome, ''), nullif(k.fantasia, '')) ORDER BY m.rank)
                 FROM match_candidates m JOIN contatos k ON k.id = m.id_contato
                 WHERE m.id_chat_file = f.id), '{}')
FROM chat_files f
WHERE f.month = %(month)s AND f.match_status IN ('ambiguous', 'proposed', 'unmatched')
  AND f.processing_status <> 'vanished'
ORDER BY f.match_confidence DESC NULLS LAST, f.id
LIMIT %(limit)s
