"""The rules for chats, phones, titles, matches and summaries. Pure Python: no Dagster, no SQL, no files."""
