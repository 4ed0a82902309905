"""Steps for what keeps the pipeline running: status, gates, alerts, backups, privacy, reports."""
