"""Steps for what keeps the pipeline running and true: backups, erasure, gates, alerts, reports.

What belongs here: work that is about no single subject. What does not: whatever belongs to contacts, chats,
links, conversations or summaries alone; SQL (store/operations/); Dagster's runs, schedules and sensors
(automation/).
"""
