"""The web console: pages on which people read, search and print the pipeline's data.

What belongs here: routes, access, and the content of each page. What does not: SQL (store/), rules (domain/,
steps/), markup (templates/console/), Dagster.

    browser ─► guard (hosts, forgery, body size, headers) ─► app (routes) ─► access (session, level)
                                                                              │
               templates/console ◄─ pages/<page> ◄─ store ◄─ pools (one login of the database per level)

Glossary: a *level* is the set of rights of a user: reader, analyst or reviewer. Programs with a token can
also have the level manager. The database enforces the levels. A *message ref* is `chat:12` or `webhook:7`. A
*subject* is the customer, chat, order or file in the record of views whose messages a page showed.
"""
