-- The days between which sessions were seen, without the few that a wrong clock may have dated.
SELECT percentile_disc(0.001) WITHIN GROUP (ORDER BY s.started_at::date),
       percentile_disc(0.999) WITHIN GROUP (ORDER BY s.started_at::date)
FROM chat_sessions s JOIN chat_files f ON f.id = s.id_chat_file
WHERE f.processing_status <> 'vanished' AND s.started_at < %(before)s
