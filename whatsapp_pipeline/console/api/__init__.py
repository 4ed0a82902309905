"""The JSON API under `/api/v1`: the data and actions of the pages, for programs (docs/api.md).

What belongs here: the API's routes, the classes of its answers, and the tokens of programs. What does not:
SQL (store/), rules (steps/), and the pages (console/pages/).

    program ─► guard ─► application (routes, OpenAPI) ─► api_server (token, level, transaction, ETag)
                                                              │
                   answers (shapes) ◄─ reading, reviewing, managing … ◄─ store ◄─ pools

Glossary: a *client* is a program with a token. A *ref* is the name of a message, chat or live conversation,
such as `chat:12` or `webhook:7`. A *cursor* is the place at which the next page begins.

FastAPI is imported when the console starts, and only by this package.
"""
