"""The webhook receiver: its HTTP server, the signature check, the spool and the drainer.

What belongs here: receiving deliveries and storing them. What does not: the meaning of a delivery
(domain/conversations.py), the text of each message type (domain/webhook_message_types.py) and processing
(steps/conversations/process_webhooks.py).
"""
