"""The rules for chats, phones, titles, matches and summaries: functions of values in memory.

What belongs here: rules, and the word lists that they use. What does not: Dagster, SQL, and users' files.
"""
