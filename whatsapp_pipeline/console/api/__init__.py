"""The JSON API under `/api/v1`: what the pages show and decide, for programs (docs/api.md).

What belongs here: the API's routes, its answers' shapes, and the tokens of programs. What does not: SQL
(store/), rules (steps/), and the pages (console/pages/).

    program ─► guard ─► application (routes, OpenAPI) ─► api_server (token, level, transaction, ETag)
                                                              │
                   answers (shapes) ◄─ reading, reviewing, managing … ◄─ store ◄─ pools

Glossary: a *client* is a program with a token. A *ref* is the name of a message, chat or live conversation,
such as `chat:12` or `webhook:7`. A *cursor* is where the next page begins.

FastAPI is imported when the console starts, and only by this package.
"""
