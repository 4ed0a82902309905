"""Cursors of lists for pages and the API: a place in a list as text for an address.

What belongs here: writing and parsing cursors. What does not: the lists (store/).
"""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta

from whatsapp_pipeline.store.links.review_pages import QueuePlace
from whatsapp_pipeline.store.summaries.commitment_lists import CommitmentPlace

CASE_CURSOR = "^[0-9]{1,16}~[0-9]{1,18}$"
COMMITMENT_CURSOR = r"^[01]~[0-9]{1,7}~([0-9]{1,4})?~-?[0-9]{1,17}~(chat|webhook):[0-9]{1,18}~[0-9]{1,5}$"
QUEUE_CURSOR = (
    r"^[0-9]{1,12}(\.[0-9]{1,17})?(e-[0-9]{1,2})?~([0-9]{1,16})?~(chat|webhook):[0-9]{1,18}~[0-9]{1,9}$"
)
_EPOCH = datetime(1970, 1, 1)


def microseconds(moment: datetime) -> int:
    """Return a local time as the number of microseconds since 1970."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def moment_of(number: str) -> datetime:
    """Return the local time for a number of `microseconds`. A time before the year 1 becomes the year 1."""
    least = microseconds(datetime(1, 1, 1))
    return _EPOCH + timedelta(microseconds=max(int(number), least))


def case_cursor(open_since: datetime, id_contato: int) -> str:
    """Return the cursor of an open case."""
    return f"{microseconds(open_since)}~{id_contato}"


def parse_case_cursor(text: str) -> tuple[datetime, int] | None:
    """Return the time when a case was opened, and its customer; None for an invalid cursor."""
    if not re.fullmatch(CASE_CURSOR, text):
        return None
    moment, last = text.split("~")
    return moment_of(moment), int(last)


def commitment_cursor(place: CommitmentPlace) -> str:
    """Return the cursor of a commitment."""
    at = "" if place.due_time is None else str(place.due_time.hour * 60 + place.due_time.minute)
    return (
        f"{int(place.is_after_due)}~{place.day.toordinal()}~{at}~{microseconds(place.said_at)}"
        f"~{place.source}:{place.message_id}~{place.number}"
    )


def parse_commitment_cursor(text: str) -> CommitmentPlace | None:
    """Return the place of a commitment in its list; None for an invalid cursor.

    A cursor of the right form with impossible values is accepted: the nearest possible values are used.
    """
    if not re.fullmatch(COMMITMENT_CURSOR, text):
        return None
    after_due, day, at, said, message, number = text.split("~")
    source, message_id = message.split(":")
    return CommitmentPlace(
        after_due == "1",
        date.fromordinal(min(max(int(day), 1), date.max.toordinal())),
        time(*divmod(min(int(at), 1439), 60)) if at else None,
        moment_of(said),
        source,
        int(message_id),
        int(number),
    )


def queue_cursor(place: QueuePlace) -> str:
    """Return the cursor of an item of the review queue."""
    last_at = "" if place.last_at is None else str(microseconds(place.last_at))
    return f"{place.value!r}~{last_at}~{place.source}:{place.id}~{place.session}"


def parse_queue_cursor(text: str) -> QueuePlace | None:
    """Return the place of an item in the review queue; None for an invalid cursor."""
    if not re.fullmatch(QUEUE_CURSOR, text):
        return None
    value, last_at, item, session = text.split("~")
    source, number = item.split(":")
    moment = moment_of(last_at) if last_at else None
    return QueuePlace(float(value), moment, source, int(number), int(session))
