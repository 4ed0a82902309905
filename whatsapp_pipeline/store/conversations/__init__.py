"""Statements for webhook deliveries and live conversations.

What belongs here: SQL on the inbox and its batches, conversations, identities, messages, statuses, sessions
of live conversations, tenants, accounts and the assistant's replies. What does not: reading a delivery
(domain/conversations.py), processing (steps/conversations/), and links of conversations (store/links/).
"""
