-- The links of the rules that are drawn next and have no verdict, with the contacts to choose
-- from in an order that does not say which one is linked: the linked contact, other candidates, and two contacts of
-- the month from a place that a hash picks. chat_files_draw_idx has the order of the draws.
WITH drawn AS (
    SELECT f.id AS id_chat_file, f.month, f.file_path, f.chat_number, f.title, f.message_count, f.first_message_at,
           f.last_message_at, f.id_contato, f.match_method AS method, f.match_confidence AS confidence,
           link_draw(f.file_path, f.chat_number, f.id_contato, f.match_method, f.match_confidence) AS draw
      FROM chat_files f
     WHERE f.match_status = 'linked' AND f.processing_status <> 'vanished' AND {which}
       AND NOT EXISTS (SELECT FROM review_verdicts v
                        WHERE v.id_chat_file = f.id AND v.id_contato = f.id_contato AND v.match_status = 'linked'
                          AND v.withdrawn_at IS NULL)
     ORDER BY link_draw(f.file_path, f.chat_number, f.id_contato, f.match_method, f.match_confidence) LIMIT %(limit)s
), started AS (
    SELECT d.id_chat_file, d.month, d.id_contato,
           m.first + mod(abs(hashint8(d.id_chat_file)::bigint), m.last - m.first + 1) AS start
      FROM drawn d
     CROSS JOIN LATERAL (SELECT min(f.id) AS first, max(f.id) AS last FROM chat_files f WHERE f.month = d.month) m
), options AS (
    SELECT d.id_chat_file, d.id_contato FROM drawn d
    UNION
    SELECT d.id_chat_file, m.id_contato FROM drawn d JOIN match_candidates m USING (id_chat_file) WHERE m.rank <= 4
    UNION
    SELECT s.id_chat_file, p.id_contato
      FROM started s
     CROSS JOIN LATERAL (
           (SELECT f.id_contato FROM chat_files f
             WHERE f.month = s.month AND f.id >= s.start AND f.id_contato <> s.id_contato ORDER BY f.id LIMIT 2)
           UNION ALL
           (SELECT f.id_contato FROM chat_files f
             WHERE f.month = s.month AND f.id < s.start AND f.id_contato <> s.id_contato ORDER BY f.id LIMIT 2)
           LIMIT 2) p
)
SELECT d.id_chat_file, d.month, d.file_path, d.chat_number, coalesce(d.title, ''), coalesce(d.message_count, 0),
       d.first_message_at, d.last_message_at, d.id_contato, d.method, d.confidence,
       jsonb_agg(jsonb_build_object(
           'id', k.id, 'nome', coalesce(k.nome, ''), 'fantasia', coalesce(k.fantasia, ''),
           'celular', coalesce(k.celular::text, ''), 'telefone', coalesce(k.telefone::text, ''))
           ORDER BY md5(d.id_chat_file || ':' || k.id)) AS contacts
FROM drawn d
JOIN options o ON o.id_chat_file = d.id_chat_file
JOIN contatos k ON k.id = o.id_contato
GROUP BY d.id_chat_file, d.month, d.file_path, d.chat_number, d.title, d.message_count, d.first_message_at,
         d.last_message_at, d.id_contato, d.method, d.confidence, d.draw
ORDER BY d.draw
