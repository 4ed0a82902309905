"""Steps for live conversations: from a webhook delivery to messages, sessions and answers.

What belongs here: processing the inbox, cutting live conversations into sessions, answering, and the check
of the conversation functions. What does not: receiving deliveries (webhook/), what a delivery says
(domain/conversations.py), SQL (store/conversations/), and the summaries of live customers
(steps/summaries/).
"""
