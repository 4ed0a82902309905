"""The conversation that several pages show: choosing its messages, and the links around them.

What belongs here: finding the place for an address, and preparing messages for a template. What does not: the
pages (customer.py, order.py, message.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from itertools import groupby
from urllib.parse import urlencode

from whatsapp_pipeline.console.error_pages import PageError
from whatsapp_pipeline.console.page import Page, number_or_none
from whatsapp_pipeline.store.conversations import message_stream as store
from whatsapp_pipeline.store.conversations.message_stream import (
    END,
    Place,
    StreamMessage,
    StreamScope,
    WordHit,
)

PAGE_SIZE = 50
_MOST_HITS = 500


def parse_ref(text: str) -> tuple[str, int]:
    """Return source and id of a ref such as `chat:12`. Raises PageError (not_found) for any other text."""
    found = re.fullmatch(r"(chat|webhook):([0-9]{1,19})", text)
    number = number_or_none(found[2]) if found else None
    if found is None or number is None:
        raise PageError("not_found")
    return found[1], number


@dataclass(frozen=True, slots=True)
class FoundWords:
    """The state of "find in this conversation".

    `current` is the number of the shown hit, from 1; it is 0 without hits. `previous` and `next` are the
    addresses of the hits before and after it. `is_capped` is true if there may be more hits than `total`.
    """

    words: str
    total: int
    current: int
    is_capped: bool
    previous: str | None
    next: str | None


@dataclass(frozen=True, slots=True)
class Conversation:
    """A page of a conversation, ready for the template.

    `older`, `newer` and `newest` are addresses of other pages of the conversation; None if there is no such
    page. `here` is the ref of the message that the page highlights, and `jump` is the day that was requested.
    """

    path: str
    days: list[tuple[date, list[StreamMessage]]]
    older: str | None
    newer: str | None
    newest: str | None
    here: str | None
    found: FoundWords | None
    jump: date | None
    hidden: dict[str, str] = field(default_factory=dict)
    files: frozenset[str] = frozenset()
    """The refs of the messages whose attachment may be in the archive."""

    @property
    def start(self) -> str:
        """The address without parameters: it shows the end or, for a session, its first messages."""
        return _address(self.path, self.hidden)

    def message_path(self, ref: str) -> str:
        """Return the address that opens this conversation at a message."""
        return _address(self.path, self.hidden, around=ref).replace("#conversation", f"#{ref}")

    @property
    def is_empty(self) -> bool:
        """Return whether the page shows no message."""
        return not self.days


def read_conversation(
    page: Page,
    scope: StreamScope,
    path: str,
    *,
    hidden: dict[str, str] | None = None,
    start: Place | None = None,
) -> tuple[Conversation, list[StreamMessage]]:
    """Return the conversation for the address, and its messages.

    The address may have one of the parameters `before`, `after` and `around` (a message), `day` (a date), and
    `find` (words, with `hit`).

    Args:
        page: The request.
        scope: The selection of messages.
        path: The page's address without a query.
        hidden: Parameters that every link of the page repeats, such as the id of an order.
        start: The place that is shown without parameters; None for the end.
    """
    wanted = _wanted_part(page, scope, path, hidden or {}, start)
    # One extra message is read on each side, to know whether there are more.
    messages = store.messages_around(
        page.conn,
        scope,
        wanted.place,
        before=wanted.before + 1 if wanted.before else 0,
        after=wanted.after + 1 if wanted.after else 0,
        exclusive=wanted.older,
    )
    conversation = _conversation(wanted, path, hidden or {}, messages)
    return replace(conversation, files=_with_file(page, messages)), messages


def _with_file(page: Page, messages: Iterable[StreamMessage]) -> frozenset[str]:
    """Return the refs of the messages whose attachment is in the archive, or may be in it for a bucket."""
    return frozenset(
        message.ref
        for message in messages
        if message.attachment_name
        and any(page.files.may_have(path, message.attachment_name) for path in message.attachment_paths or ())
    )


@dataclass(frozen=True, slots=True)
class _Part:
    """The part of a conversation to read: the number of messages before and after a place.

    `older` and `newer` are true if it is already known that there are messages before or after the part.
    """

    place: Place
    before: int
    after: int
    here: str | None = None
    older: bool = False
    newer: bool = False
    jump: date | None = None
    found: FoundWords | None = None


def _wanted_part(
    page: Page, scope: StreamScope, path: str, hidden: dict[str, str], start: Place | None
) -> _Part:
    half = PAGE_SIZE // 2
    find, day = page.text("find"), page.day("day")
    if any(map(str.isalnum, find)):
        return _found_part(page, scope, path, hidden, find)
    for name in ("around", "before", "after"):
        if ref := page.text(name):
            located = store.locate_message(page.conn, *parse_ref(ref))
            if located is None:
                raise PageError("not_found")
            if name == "around":
                here = f"{located.source}:{located.message_id}"
                return _Part(located.place, half, half, here=here)
            if name == "before":
                return _Part(located.place, PAGE_SIZE, 0, newer=True)
            return _Part(located.place, 0, PAGE_SIZE, older=True)
    if day is not None:
        return _Part(Place(datetime(day.year, day.month, day.day)), 3, PAGE_SIZE, jump=day)
    return _Part(start, 3, PAGE_SIZE) if start is not None else _Part(END, PAGE_SIZE, 0)


def _found_part(page: Page, scope: StreamScope, path: str, hidden: dict[str, str], find: str) -> _Part:
    hits = store.word_hits(page.conn, scope, find, limit=_MOST_HITS)
    if not hits:
        return _Part(END, PAGE_SIZE, 0, found=FoundWords(find, 0, 0, False, None, None))

    def to_hit(number: int) -> str:
        address = _address(path, hidden, find=find, hit=number).partition("#")[0]
        return f"{address}#{hits[number - 1].source}:{hits[number - 1].message_id}"

    current = min(max(number_or_none(page.text("hit")) or len(hits), 1), len(hits))
    state = FoundWords(
        find,
        len(hits),
        current,
        len(hits) == _MOST_HITS,
        to_hit(current - 1) if current > 1 else None,
        to_hit(current + 1) if current < len(hits) else None,
    )
    hit: WordHit = hits[current - 1]
    here = f"{hit.source}:{hit.message_id}"
    # Only few messages are shown before the hit, because the browser opens the page at its top and the hit
    # must be visible.
    return _Part(hit.place, 4, PAGE_SIZE, here=here, found=state)


def _conversation(
    part: _Part, path: str, hidden: dict[str, str], messages: list[StreamMessage]
) -> Conversation:
    """Remove the extra messages from `messages`, and return a page of the others.

    The page has links to the older and the newer messages.
    """
    older, newer = part.older, part.newer
    earlier = sum(message.is_before for message in messages)
    if earlier > part.before:
        older = True
        del messages[0]
        earlier -= 1
    if len(messages) - earlier > part.after:
        newer = True
        del messages[-1]
    first, last = (messages[0].ref, messages[-1].ref) if messages else (None, None)
    return Conversation(
        path,
        by_day(messages),
        _address(path, hidden, before=first) if older and first else None,
        _address(path, hidden, after=last) if newer and last else None,
        _address(path, hidden) if newer else None,
        part.here,
        part.found,
        part.jump,
        hidden,
    )


def by_day(messages: Sequence[StreamMessage]) -> list[tuple[date, list[StreamMessage]]]:
    """Group messages in order by their day."""
    return [(day, list(group)) for day, group in groupby(messages, key=lambda message: message.at.date())]


def _address(path: str, hidden: dict[str, str], **query: object) -> str:
    pairs = {**hidden, **{name: str(value) for name, value in query.items()}}
    return f"{path}?{urlencode(pairs, safe=':')}#conversation" if pairs else f"{path}#conversation"


def seen_in(messages: Iterable[StreamMessage]) -> set[tuple[int | None, str]]:
    """Return the (customer, chat) of the messages, for the record of views."""
    return {
        (message.id_contato, "" if message.id_contato is not None else f"{message.source}:{message.chat}")
        for message in messages
    }
