"""Days that were named: which of them still hold, and the next one that the shop named.

What belongs here: judging a day by all later messages of both sides. What does not: reading days
(domain/commitments, signals.py) and sentences about them (deadline_text.py, text.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time

from whatsapp_pipeline.domain.commitments.status import Commitment, NamedDay, Said
from whatsapp_pipeline.domain.summaries.case import CASE_AGE, Case

# The codes of durations, and of weeks and months of which no day is known.
_NO_DAYS = frozenset("bhdmWM")


def _after(days: Sequence[NamedDay], said: Said) -> list[NamedDay]:
    """Return the days of the messages after one, but not of the message itself."""
    return [one for one in days if one.said.at >= said.at and one.said.ref != said.ref]


def is_changed(said: Said, case: Case) -> bool:
    """Return whether a later message of either side has a word of change: cancelled, late, not possible."""
    return any(one.at >= said.at and one.ref != said.ref for one in case.followed.changes)


def day_holds(one: Commitment, case: Case) -> bool:
    """Return whether a day that was named is still to come, and no later message names another day or hour.

    A day that has come may have brought anything, so only the evidence of what happened is stated.
    """
    due, last = one.due_on, case.last_at
    if due is None or due < last.date():
        return False
    if due == last.date():
        # Without an hour, a day that was named on an earlier one may be over.
        is_over = one.said.at.date() < due if one.due_time is None else one.due_time <= last.time()
        if is_over:
            return False
    if is_changed(one.said, case) or _names_two_days(one, case):
        return False
    fitting = _fitting_refs(one, case)
    later = [day for day in _after(case.followed.days, one.said) if day.said.ref not in fitting]
    return all(day.on == due and (day.at is None or day.at == one.due_time) for day in later)


def _fitting_refs(one: Commitment, case: Case) -> frozenset[str]:
    """Return the messages whose other day fits: the work is ready first, and collected then or later."""
    kinds = {"deadline_promised": "pickup_agreed", "pickup_agreed": "deadline_promised"}
    other = kinds.get(one.said.mention.kind)
    ready_first = other == "pickup_agreed"
    return frozenset(
        it.said.ref
        for it in case.commitments
        if it.said.mention.kind == other
        and it.due_on is not None
        and one.due_on is not None
        and (it.due_on >= one.due_on if ready_first else it.due_on <= one.due_on)
    )


def _names_two_days(one: Commitment, case: Case) -> bool:
    """Return whether the message of a promise names another day, too: "quatro amanhã, duas na segunda"."""
    same = [day for day in case.followed.days if day.said.ref == one.said.ref and not _is_loose(day)]
    return any(day.on != one.due_on for day in same)


def _is_loose(day: NamedDay) -> bool:
    """Return whether an expression is a duration, or "hoje", which may say when something happened."""
    code = day.said.mention.due or "d"
    return code[0] in _NO_DAYS or code[:2] == "t0"


def span_holds(one: Commitment, case: Case) -> bool:
    """Return whether the shop wrote no word of change after a duration that it gave for the work."""
    return not any(
        said.mention.side == "staff" and said.at >= one.said.at and said.ref != one.said.ref
        for said in case.followed.changes
    )


def is_only_day(one: Commitment, until: Said | None, case: Case) -> bool:
    """Return whether the shop named no day and no duration but the promised one, and excused nothing.

    `until` is the news that the work is ready, after which other days are of no interest.
    """
    since = case.last_at - CASE_AGE
    promised = {
        it.due_on
        for it in case.followed.commitments
        if it.said.mention.kind == "deadline_promised" and it.said.at >= since
    }
    named = {
        day.on
        for day in case.followed.days
        if _is_of_shop(day.said, since, until)
        and day.said.mention.length != "other"
        and (day.said.mention.due or "d")[0] not in "hm"
        and (day.said.mention.due or "d")[:2] != "t0"
    }
    excused = any(_is_of_shop(said, since, until) for said in case.followed.changes)
    return promised <= {one.due_on} and named <= {one.due_on} and not excused


def _is_of_shop(said: Said, since: datetime, until: Said | None) -> bool:
    """Return whether the shop wrote a message in the case, before the message `until`."""
    is_before = until is None or (said.at <= until.at and said.ref != until.ref)
    return said.mention.side == "staff" and said.at >= since and is_before


def next_day(case: Case) -> tuple[Said, date, time | None] | None:
    """Return the one day to come that the shop named last, if nobody named another one after it."""
    days = [
        one
        for one in case.followed.days
        if one.said.mention.side == "staff" and one.said.at >= case.last_at - CASE_AGE
    ]
    if not days:
        return None
    ref = days[-1].said.ref
    named = [one for one in days if one.said.ref == ref]
    if len({one.on for one in named}) != 1 or any(_is_no_day(one) for one in named):
        return None
    said, on = named[-1].said, named[-1].on
    if on is None or on <= case.last_at.date() or is_changed(said, case):
        return None
    times = {one.at for one in named if one.at is not None}
    at = times.pop() if len(times) == 1 and named[-1].said.mention.length != "window" else None
    later = [one for one in case.followed.days if one.said.at >= said.at and one.said.ref != ref]
    if any(one.on != on or one.at not in {None, at} for one in later):
        return None
    return said, on, at


def _is_no_day(one: NamedDay) -> bool:
    """Return whether an expression is a duration, or the day of something beside the work."""
    return (one.said.mention.due or "d")[0] in _NO_DAYS or one.said.mention.length == "other"
