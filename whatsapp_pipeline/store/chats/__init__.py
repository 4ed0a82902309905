"""Statements for chat files and their messages.

What belongs here: SQL on chat_files, chat_sessions, chat_phones, chat_messages and ignored_files, and the
search over messages. What does not: reading files (steps/chats/), links of chats (store/links/), and long
statements (sql/queries/chats/).
"""
