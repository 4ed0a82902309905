"""Statements for customer summaries, and for looking up one customer.

What belongs here: SQL on customer_chat_summaries, customer_conversations, commitments and message_readings.
What does not: the sentences of a summary (domain/summaries/), and long statements (sql/queries/summaries/).
"""
