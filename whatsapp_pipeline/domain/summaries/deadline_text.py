"""Sentences about promised deadlines, and the days that they and other sentences name.

What belongs here: which deadlines are those of the work, and their wording. What does not: deadlines that are
still awaited (open_items.py) and reading them (domain/commitments).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time

from whatsapp_pipeline.domain.commitments.status import Commitment, Said
from whatsapp_pipeline.domain.summaries.case import ONE_OFFER, Case
from whatsapp_pipeline.domain.summaries.case_days import day_holds, is_only_day, span_holds
from whatsapp_pipeline.domain.summaries.decisions import DECISIONS, TAKEN_BACK
from whatsapp_pipeline.domain.summaries.wording import join_words, say_date, say_span

# The codes of deadlines that give the duration of the work instead of a day.
SPANS = frozenset("bhdm")
# The codes for periods of which only the last day is known.
_ONLY_LAST_DAY = frozenset("WM")
# The codes of deadlines that count hours or minutes.
_COUNTED_TIMES = frozenset("hm")
_OUTCOME_VERBS = {"kept": "cumpriu o prazo de", "broken": "não cumpriu o prazo de"}


class DayWords:
    """Writes the days of one sentence. A day is left out if it equals the previous day of the sentence."""

    def __init__(self) -> None:
        self._last: date | None = None
        self._is_due = False

    def said(self, day: date | datetime) -> str:
        """Write the day on which something was said: " em 05/01/2025"."""
        on = day.date() if isinstance(day, datetime) else day
        if on == self._last:
            return " no mesmo dia" if self._is_due else ""
        self._last, self._is_due = on, False
        return f" em {say_date(on)}"

    def due(self, due: date | None, said: Said, at: time | None, preposition: str) -> str:
        """Write a due date: " para 06/01/2025 às 15:00"."""
        clock = f" às {at:%H:%M}" if at else ""
        if due is None:
            return ""
        if due == self._last:
            return f" {'para o' if preposition == 'para' else 'no'} mesmo dia{clock}"
        self._last, self._is_due = due, True
        return say_on(due, said, clock, preposition)


def clock_time(one: Commitment) -> time | None:
    """Return the time of a due date, if it was written. "em 2 horas" has no time."""
    return None if (one.said.mention.due or "")[:1] in _COUNTED_TIMES else one.due_time


def say_due(one: Commitment) -> str:
    """Write a due date, with the time if it has one. Return an empty string if the day is not known."""
    if one.due_on is None:
        return ""
    at = clock_time(one)
    return say_date(one.due_on) + (f" às {at:%H:%M}" if at else "")


def say_on(due: date | None, said: Said, at: str, preposition: str) -> str:
    """Write a day after a preposition. For "semana que vem" only the last day is known: "até 04/12/2026"."""
    if due is None:
        return ""
    vague = (said.mention.due or "")[:1] in _ONLY_LAST_DAY
    return f" {'até' if vague else preposition} {say_date(due)}{at}"


def say_promised(deadlines: Sequence[Commitment]) -> str:
    """Write the days of promised deadlines. Return an empty string if no day is known."""
    if len(deadlines) == 1:
        return _on(deadlines[0], "para")
    days = [say_due(one) for one in deadlines if one.due_on]
    return f" para {join_words(days)}" if days else ""


def _on(one: Commitment, preposition: str) -> str:
    at = clock_time(one)
    return say_on(one.due_on, one.said, f" às {at:%H:%M}" if at else "", preposition)


def _put_off(deadline: Commitment, case: Case) -> Commitment | None:
    """Return the deadline that was replaced by a later one in a message that reports a delay."""
    for one in reversed(case.followed.commitments):
        if (
            one.outcome == "superseded"
            and one.outcome_ref == deadline.said.ref
            and one.said.mention.kind == "deadline_promised"
            and deadline.said.ref in case.followed.late
            and _is_later(one, deadline)
        ):
            return one
    return None


def _is_later(before: Commitment, after: Commitment) -> bool:
    """Return whether a deadline moves the day of another one back."""
    return before.due_on is not None and after.due_on is not None and before.due_on < after.due_on


def _broken_before(deadline: Commitment, case: Case) -> date | None:
    """Return the day before a deadline that the shop said it missed, if no work was ready since."""
    for one in reversed(case.followed.commitments):
        is_other = one.said.mention.kind == "deadline_promised" and one.said.ref != deadline.said.ref
        if is_other and one.outcome == "broken" and one.said.at < deadline.said.at and one.due_on is not None:
            since = case.done is not None and case.done.at >= one.said.at
            in_time = deadline.due_on is not None and one.due_on < deadline.due_on
            is_recent = deadline.said.at - one.said.at <= ONE_OFFER * 2
            return one.due_on if in_time and is_recent and not since else None
    return None


def _say_deadline(deadlines: Sequence[Commitment], case: Case, days: DayWords) -> str:
    """Write the promise of the shop: a day, several days, or the duration of the work."""
    last = deadlines[-1]
    if len(deadlines) > 1 and all(one.due_on and one.outcome is None for one in deadlines):
        return f"prometeu os serviços{say_promised(deadlines)}"
    if last.due_on is None:
        return "prometeu o serviço sem dizer o dia"
    is_span = (last.said.mention.due or "d")[0] in SPANS
    # "Uns 4 dias" may start later, so this deadline is not called broken.
    if last.outcome in _OUTCOME_VERBS and not (is_span and last.outcome == "broken"):
        # Evidence is compared by the day, so a kept deadline is named without its time.
        return f"{_OUTCOME_VERBS[last.outcome]} {say_date(last.due_on)}"
    if is_span:
        return f"deu prazo de {say_span(last.said.mention.due or '')}{days.said(last.said.at)}"
    before = _put_off(last, case)
    if before is not None and before.due_on is not None:
        return f"adiou o serviço de {say_date(before.due_on)}{_on(last, 'para')}"
    return f"prometeu o serviço{days.due(last.due_on, last.said, clock_time(last), 'para')}"


def deadlines_of_work(deadlines: Sequence[Commitment], case: Case) -> list[Commitment]:
    """Return the deadlines of work.

    Deadlines that were promised when the work was ready are for a delivery.
    A deadline that was withdrawn without a new day is left out, and one of a morning hour that nothing shows
    to be kept, too.
    """
    moved = case.remarks.get("said_moves")
    if moved is not None and moved.mention.length == "moved":
        deadlines = [
            one
            for one in deadlines
            if one.said.at >= moved.at or one.said.ref == moved.ref or one.outcome == "broken"
        ]
    last = next(
        (one for one in reversed(case.followed.commitments) if one.said.mention.kind in DECISIONS), None
    )
    if last is not None and last.said.mention.sort in TAKEN_BACK:
        # After that, a day is one of a refund or of the return of the device.
        deadlines = [one for one in deadlines if one.said.at < last.said.at]
    deadlines = [
        one
        for one in deadlines
        if one.said.mention.sort != "weak"
        and (one.outcome is not None or (not _may_be_visit(one) and _still_holds(one, case)))
    ]
    ready = case.followed.done
    if ready is None:
        return list(deadlines)
    since = max(
        (
            one.said.at
            for one in case.commitments
            if one.said.mention.kind in {"price_quoted", "quote_approved"} and one.said.at > ready.at
        ),
        default=None,
    )
    return [
        one for one in deadlines if one.said.at <= ready.at or (since is not None and since <= one.said.at)
    ]


def _still_holds(one: Commitment, case: Case) -> bool:
    """Return whether nothing later speaks against a day or a duration that the shop promised."""
    is_span = (one.said.mention.due or "d")[0] in SPANS
    return span_holds(one, case) if is_span else day_holds(one, case)


def first_promise(ready: Said, deadlines: Sequence[Commitment], case: Case) -> date | None:
    """Return the day that the shop promised first for work that is ready, if it named another one later."""
    if not deadlines or deadlines[-1].said.at > ready.at:
        return None
    since = max(
        (
            one.said.at
            for one in case.followed.commitments
            if one.said.mention.kind == "price_quoted" and one.said.at <= deadlines[-1].said.at
        ),
        default=None,
    )
    moved = [
        one.due_on
        for one in case.followed.commitments
        if one.said.mention.kind == "deadline_promised"
        and one.outcome == "superseded"
        and one.due_on is not None
        and (one.said.mention.due or "d")[0] not in SPANS
        and ready.at - ONE_OFFER * 4 <= one.said.at < deadlines[-1].said.at
        and (since is None or one.said.at >= since)
    ]
    return moved[0] if moved else None


def say_promises(deadlines: Sequence[Commitment], case: Case, days: DayWords, *, several: bool) -> list[str]:
    """Write what the shop promised, after the day before it that the shop did not keep."""
    deadlines = [one for one in deadlines if one.outcome != "kept" or is_only_day(one, None, case)]
    if not deadlines:
        return []
    broken = _broken_before(deadlines[-1], case)
    parts = [f"não cumpriu o prazo de {say_date(broken)}"] if broken is not None else []
    said = _say_deadline(deadlines, case, days)
    return [*parts, said.replace("o serviço", "um serviço", 1) if several else said]


# Until this hour a time on a day is more often that of a visit or a delivery.
_WORK_BEGINS = time(11)


def _may_be_visit(deadline: Commitment) -> bool:
    """Return whether a promised time is one at which people come: "segunda às 8h"."""
    at = clock_time(deadline)
    return deadline.due_on is not None and at is not None and at < _WORK_BEGINS
