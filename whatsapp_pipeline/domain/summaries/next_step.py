"""What the shop announced last: an answer that it promised, and the next day that it named.

What belongs here: selecting and wording them. What does not: deadlines of work and offers without an answer
(open_items.py).
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from whatsapp_pipeline.domain.commitments.status import Said
from whatsapp_pipeline.domain.summaries.case import Case
from whatsapp_pipeline.domain.summaries.case_days import day_holds, next_day
from whatsapp_pipeline.domain.summaries.wording import say_date


def promised_return(case: Case) -> tuple[str, Said] | None:
    """Return the words for an answer that the shop promised in its last message, and that message."""
    said = case.remarks.get("said_returns")
    if said is None or case.last_staff_at is None or said.at < case.last_staff_at:
        return None
    what = "enviar o" if said.mention.length == "sends" else "dar o retorno"
    return f"falta a loja {what} que prometeu em {say_date(said.at)}", said


def named_day(case: Case) -> tuple[str, Said] | None:
    """Return the words for the next day that the shop named, unless another sentence is about that day."""
    found = next_day(case)
    if found is None:
        return None
    said, on, at = found
    if on in _mentioned_days(case):
        return None
    clock = f", às {at:%H:%M}" if at is not None else ""
    return f"a próxima data que a loja citou é {say_date(on)}{clock}", said


def _mentioned_days(case: Case) -> Collection[date | None]:
    """Return the days of commitments, which have sentences of their own."""
    kinds = {"deadline_promised", "pickup_agreed"}
    return {
        one.due_on
        for one in case.commitments
        if one.said.mention.kind in kinds and one.outcome is None and day_holds(one, case)
    }
