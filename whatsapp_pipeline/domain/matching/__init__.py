"""Linking chats to contacts and sessions to orders, with a stated confidence and its reasons.

What belongs here: decisions, as pure functions of evidence. What does not: where evidence comes from (the
database through store/links/contact_links.py, or CSV files through offline.py).

`decide` links one chat, `orders.link_session` one session; `names` is the model of names.
"""
