"""Steps for live conversations: from a webhook delivery to messages, sessions and replies.

What belongs here: processing the inbox, splitting live conversations into sessions, asking the assistant for
replies, and the check of the conversation functions. What does not: receiving deliveries (webhook/), reading
the content of a delivery (domain/conversations.py), SQL (store/conversations/), and the summaries of live
customers (steps/summaries/).
"""
