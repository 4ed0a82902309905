"""The order of messages.

What belongs here: the sort keys of every statement that reads messages in order. What does not: the view
`messages_all` (sql/migrations), and the order of other rows.

Messages are sorted by time, then by file, then by position in the file. A live message has no file; among
messages of the same time it comes after those of exports, in the order of receipt.
"""

from __future__ import annotations

from typing import LiteralString

MESSAGE_ORDER: LiteralString = "at, file, ordinal"
"""Sort keys over `messages_all`, oldest first."""

NEWEST_FIRST: LiteralString = "at DESC, file DESC, ordinal DESC"
"""The reverse of MESSAGE_ORDER."""

MESSAGE_KEY: LiteralString = "(at, coalesce(file, E'\\U0010FFFF' COLLATE \"C\"), ordinal)"
"""The sort keys as one row value without NULL, to compare two positions."""

CHAT_ORDER: LiteralString = "m.message_timestamp, m.id_chat_file, m.ordinal"
"""The same order over `chat_messages m`, for statements about the archive only."""

LIVE_KEY: LiteralString = "{m}.sent_at, coalesce({m}.inbox_id, 9223372036854775807), {m}.position, {m}.id"
"""The same order over `conversation_messages`, for one conversation. `{m}` is the alias of the table."""

LIVE_NEWEST_FIRST: LiteralString = "m.sent_at DESC, m.inbox_id DESC NULLS FIRST, m.position DESC, m.id DESC"
"""The reverse of LIVE_KEY over `conversation_messages m`, in the form of its index."""
