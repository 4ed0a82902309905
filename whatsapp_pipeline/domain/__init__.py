"""Pure Python: what chats, phones, titles, matches and summaries are. No Dagster, no SQL, no files."""
