-- The links of the rules in %(months)s, or in all months, that are drawn next and have no verdict, with the contacts
-- to choose from in an order that does not say which one is linked: the linked contact, other candidates, and contacts picked by chance.
WITH drawn AS (
    SELECT * FROM rule_links
    WHERE (%(months)s::text[] IS NULL OR month = ANY(%(months)s)) AND verdict IS NULL
      AND (%(chat)s::bigint IS NULL OR id_chat_file = %(chat)s)
    ORDER BY draw LIMIT %(limit)s
), options AS (
    SELECT d.id_chat_file, d.id_contato FROM drawn d
    UNION
    SELECT d.id_chat_file, m.id_contato FROM drawn d JOIN match_candidates m USING (id_chat_file) WHERE m.rank <= 4
    UNION
    SELECT d.id_chat_file, p.id_contato
    FROM drawn d CROSS JOIN LATERAL (
        SELECT f.id_contato FROM chat_files f
        WHERE f.month = d.month AND f.id_contato IS NOT NULL AND f.id_contato <> d.id_contato
        ORDER BY md5(f.id_contato || '/' || d.id_chat_file) LIMIT 2) p
)
SELECT d.id_chat_file, d.month, f.file_path, f.chat_number, coalesce(f.title, ''), coalesce(f.message_count, 0),
       f.first_message_at, f.last_message_at, d.id_contato, d.method, d.confidence,
       jsonb_agg(jsonb_build_object(
           'id', k.id, 'nome', coalesce(k.nome, ''), 'fantasia', coalesce(k.fantasia, ''),
           'celular', coalesce(k.celular::text, ''), 'telefone', coalesce(k.telefone::text, ''))
           ORDER BY md5(d.id_chat_file || ':' || k.id)) AS contacts
FROM drawn d JOIN chat_files f ON f.id = d.id_chat_file
JOIN options o ON o.id_chat_file = d.id_chat_file
JOIN contatos k ON k.id = o.id_contato
GROUP BY d.id_chat_file, d.month, f.file_path, f.chat_number, f.title, f.message_count, f.first_message_at,
         f.last_message_at, d.id_contato, d.method, d.confidence, d.draw
ORDER BY d.draw
