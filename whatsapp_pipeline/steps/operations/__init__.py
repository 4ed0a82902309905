"""Steps of operation: backups, erasure, gates, alerts, reports.

What belongs here: work that is about no other subject. What does not: work on contacts, chats, links,
conversations or summaries; SQL (store/operations/); Dagster's runs, schedules and sensors (automation/).
"""
