-- Sessions of linked contacts, each once however many exports hold it: of every %(every)s-th with orders.
SELECT DISTINCT ON (f.id_contato, s.started_at)
       s.id, s.id_chat_file, s.number, s.started_at::date AS first_day, s.ended_at::date AS last_day,
       s.order_numbers, s.devices, s.stages, f.id_contato, 1.0::double precision AS contact_confidence,
       nullif(ltrim(f.reference_os, '0'), '') AS title_number, f.devices AS title_devices
FROM chat_files f JOIN chat_sessions s ON s.id_chat_file = f.id
WHERE f.processing_status <> 'vanished'
  AND f.id_contato %% %(every)s = 0
  AND s.started_at < %(before)s
  AND EXISTS (SELECT FROM ordens_servico o WHERE o.id_contato = f.id_contato AND o.data_emissao IS NOT NULL)
ORDER BY f.id_contato, s.started_at, s.id
