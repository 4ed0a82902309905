"""The one order of messages.

What belongs here: the sort keys of every statement that reads messages one after the other. What does not:
the view `messages_all` itself (sql/migrations), and orders of anything but messages.

A message comes after another when its time is later; at the same time by file, and in a file by its place
there. A live message has no file: it comes after those of exports, in the order in which it was received.
"""

from __future__ import annotations

from typing import LiteralString

MESSAGE_ORDER: LiteralString = "at, file, ordinal"
"""Sort keys over `messages_all`, oldest first."""

NEWEST_FIRST: LiteralString = "at DESC, file DESC, ordinal DESC"
"""The exact reverse of MESSAGE_ORDER."""

MESSAGE_KEY: LiteralString = "(at, coalesce(file, E'\\U0010FFFF' COLLATE \"C\"), ordinal)"
"""The sort keys as one value without null, to compare places: a live message has no file and comes last."""

CHAT_ORDER: LiteralString = "m.message_timestamp, m.id_chat_file, m.ordinal"
"""The same order over `chat_messages m`, for statements about the archive alone."""

LIVE_KEY: LiteralString = "{m}.sent_at, coalesce({m}.inbox_id, 9223372036854775807), {m}.position, {m}.id"
"""The same order over `conversation_messages`, for statements about one conversation; `{m}` is its alias."""

LIVE_NEWEST_FIRST: LiteralString = "m.sent_at DESC, m.inbox_id DESC NULLS FIRST, m.position DESC, m.id DESC"
"""The exact reverse of LIVE_KEY over `conversation_messages m`, as its index has it."""
