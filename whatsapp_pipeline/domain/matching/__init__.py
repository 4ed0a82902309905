"""Linking chats to contacts and sessions to orders, with a stated confidence and its reasons.

What belongs here: decisions, as pure functions of evidence. What does not: collecting evidence from the
database (store/links/contact_links.py). For the command line, offline.py collects it from lists.

    title, phones, orders, devices ─► contacts.decide_chat ──► LinkDecision of a chat
                names.NameIndex ─────────┘      ▲
                overrides (people's decisions) ─┘
    session, its contact's orders ──► orders.link_session ───► OrderDecision of a session
                order_model, fitted by order_fitting ─┘

Glossary:
    candidate      a contact (or order) that a chat (or session) may belong to
    feature        one reason for or against a candidate, with its match weight
    match weight   log odds; the weights of a candidate's features add up to its score
    posterior      probability of a candidate among all candidates and "none of these"
    tier           one kind of evidence (phones, orders, names); the first that finds a contact decides
    policy         the thresholds that turn posteriors into a status
    time, zone     some days of an order's life, and a longer period that consists of such times
    small talk     sessions that are about no order
"""
