"""Steps of operation: backups, erasure, gates, alerts, reports.

What belongs here: work that is about the whole database or its files. What does not: work on contacts, chats,
links, conversations or summaries; SQL (store/operations/); Dagster's runs, schedules and sensors
(automation/).
"""
