"""The sentence about the shop's offer: prices, deadline, warranty, verdict, and work reported ready.

What belongs here: wording of typed facts. What does not: the fault (matter_text.py), the customer's decision
(decision_text.py) and reading messages (domain/commitments).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from whatsapp_pipeline.domain.commitments.status import BILLED, Commitment, Said
from whatsapp_pipeline.domain.summaries.case import CASE_AGE, Case, latest_of_kind
from whatsapp_pipeline.domain.summaries.case_days import day_holds, is_only_day
from whatsapp_pipeline.domain.summaries.case_prices import (
    amounts_of,
    has_several_prices,
    last_matter,
    latest_offer,
    other_price,
    settled_price,
    work_prices,
)
from whatsapp_pipeline.domain.summaries.deadline_text import (
    SPANS,
    DayWords,
    deadlines_of_work,
    first_promise,
    say_promises,
)
from whatsapp_pipeline.domain.summaries.decisions import is_sure_decision
from whatsapp_pipeline.domain.summaries.wording import (
    Claim,
    join_words,
    say_date,
    say_length,
    say_money,
    unique_refs,
)

_VALUES_SHOWN = 3
_FEES = {
    "visita": "a visita",
    "taxa": "a taxa",
    "avaliacao": "a avaliação",
    "diagnostico": "o diagnóstico",
    "deslocamento": "o deslocamento",
    "frete": "o frete",
    "coleta": "a coleta",
    "entrega": "a entrega",
}


def _waived_fee(case: Case) -> Said | None:
    """Return the message in which the shop waives a fee that it had named before."""
    waived = case.remarks.get("said_waives")
    if waived is None or waived.mention.length not in _FEES:
        return None
    named = any(
        one.said.mention.sort == "fee" and case.last_at - CASE_AGE <= one.said.at < waived.at
        for one in case.followed.commitments
    )
    later = any(
        one.said.mention.sort == "fee" and one.said.at > waived.at for one in case.followed.commitments
    )
    return waived if named and not later else None


def _say_values(case: Case, prices: Sequence[Commitment], days: DayWords) -> str:
    """Write different amounts without a word on which of them holds."""
    other = other_price(case, prices, own=True)
    amounts = [one.said.mention.amount for one in prices] + [other]
    named = [say_money(amount) for amount in dict.fromkeys(amounts) if amount is not None]
    first, last = prices[0].said.at.date(), prices[-1].said.at.date()
    when = days.said(last) if first == last else f" entre {say_date(first)} e {say_date(last)}"
    return f"informou valores de {join_words(named[-_VALUES_SHOWN:])}{when}"


def say_quotes(quotes: Sequence[Commitment]) -> str:
    """Write the amounts of one offer: orçamento de R$ 350,00. A range is written as one approximate quote."""
    amounts = [one.said.mention.amount for one in quotes if one.said.mention.amount is not None]
    said = [say_money(amount) for amount in dict.fromkeys(amounts)]
    sorts = {one.said.mention.sort for one in quotes}
    if sorts == {"fee"}:
        return f"{'uma taxa' if len(said) == 1 else 'taxas'} de {join_words(said)}"
    if sorts == {"total"}:
        return f"o total de {join_words(said)}"
    if len(said) == 2 and sorts == {"rough"}:
        return f"orçamento aproximado de {said[0]} a {said[1]}"
    if len(said) == 1:
        each = " por unidade" if sorts == {"each"} else ""
        return f"orçamento {'aproximado ' if 'rough' in sorts else ''}de {said[0]}{each}"
    return f"orçamentos {'aproximados ' if 'rough' in sorts else ''}de {join_words(said)}"


def _say_ready(
    ready: Said,
    deadlines: Sequence[Commitment],
    quotes: Sequence[Commitment],
    case: Case,
    days: DayWords,
    *,
    several: bool,
) -> str:
    """Write that the work is ready, and whether that was in time; of several devices one may be ready."""
    many = several or case.orders > 1 or len(amounts_of(quotes)) > 1 or _is_partly(ready, case)
    if ready.mention.length == "all" and many:
        news = "os serviços ficaram prontos"
    else:
        # Of several things it is not known which, and how many.
        news = "havia serviço pronto" if many else "o serviço ficou pronto"
    last = deadlines[-1] if deadlines else None
    first = None if many else first_promise(ready, deadlines, case)
    in_time = ""
    if _is_partly(ready, case):
        pass  # another thing is late
    elif first is not None and ready.at.date() > first:
        in_time = f", depois do primeiro prazo, {say_date(first)},"
    elif last is not None and last.said.ref in case.followed.late:
        pass  # that day was not the first one
    elif last is not None and not several and last.due_on is not None and last.outcome_ref == ready.ref:
        is_span = (last.said.mention.due or "d")[0] in SPANS
        if last.outcome == "kept" and is_only_day(last, ready, case):
            in_time = ", no prazo,"
        elif last.outcome == "broken" and not is_span:
            in_time = f", depois do prazo de {say_date(last.due_on)},"
    return f"avisou{days.said(ready.at)}{in_time} que {news}"


def _is_partly(ready: Said, case: Case) -> bool:
    """Return whether the message with the news also moves a day: "tablet pronto, o celular só segunda"."""
    moved = case.remarks.get("said_moves")
    return moved is not None and moved.ref == ready.ref and moved.mention.length == "moved"


def _is_still_ready(ready: Said, case: Case) -> bool:
    """Return whether the shop did not promise a later day for the work after the news that it is ready."""
    return not any(
        one.said.mention.kind == "deadline_promised"
        and one.said.at > ready.at
        and one.said.ref in case.followed.late
        for one in case.followed.commitments
    )


def _hopeless(case: Case, quotes: Sequence[Commitment]) -> Said | None:
    """Return the last message in which the shop calls a repair impossible or too expensive."""
    said = case.remarks.get("said_hopeless")
    if said is None:
        return None
    later = [one.said.at for one in quotes if one.said.mention.sort != "fee"]
    later += [
        one.said.at
        for one in case.commitments
        if one.said.mention.kind == "quote_approved" and is_sure_decision(one, case)
    ]
    later += [case.done.at] if case.done is not None else []
    return None if any(at > said.at for at in later) else said


def _device_pickups(commitments: Sequence[Commitment], case: Case) -> list[Commitment]:
    """Return the pick-ups that the shop promised, without those of a tool that the shop forgot."""
    forgot = case.remarks.get("said_forgot")
    found = [one for one in latest_of_kind(commitments, "pickup_agreed", "staff") if one.due_on]
    return [one for one in found if (forgot is None or one.said.at < forgot.at) and day_holds(one, case)]


def offer(
    case: Case, *, several: bool = False, names_device: bool = True, thing: str | None = "o aparelho"
) -> Claim | None:
    """Return the answers of the shop: price, deadline, warranty, an appointment for the pick-up, ready.

    `several`: the case is about more than one device. `names_device`: it is about one at least. `thing` is
    that device with its article; None where no word fits.
    """
    commitments = last_matter(case.commitments)
    quotes = latest_offer(commitments)
    deadlines = deadlines_of_work(latest_of_kind(commitments, "deadline_promised"), case)
    warranties = latest_of_kind(commitments, "warranty_given")
    pickups = _device_pickups(commitments, case) if names_device else []
    ready = case.done if case.done is not None and _is_still_ready(case.done, case) else None
    days = DayWords()
    prices = work_prices(case)
    mixed = has_several_prices(case, prices, own=True)
    quotes = settled_price(case, prices) if mixed else quotes
    parts = [_say_values(case, prices, days)] if mixed and not quotes else []
    # A price that comes with or after the report that the work is ready is the final cost.
    bill = (
        quotes
        if ready is not None and quotes and timedelta() <= quotes[-1].said.at - ready.at <= BILLED
        else []
    )
    if quotes and not bill:
        parts.append(f"{_say_asked(quotes, case)}{days.said(quotes[-1].said.at)}")
    # For work that is ready, the deadline is only mentioned to say whether it was kept.
    done = ready is not None and all(one.said.at <= ready.at for one in deadlines)
    if deadlines and not done:
        parts += say_promises(deadlines, case, days, several=several)
    warranties = _own_warranties(warranties, quotes, mixed=mixed)
    if warranties:
        given = say_length(warranties[-1].said.mention.length or "")
        if quotes and not bill and not (deadlines and not done):
            parts[-1] += f", com {given} de garantia"
        else:
            parts.append(f"deu garantia de {given}")
    if pickups:
        last = pickups[-1]
        fetches = "fazer a retirada" if thing is None else f"buscar {thing}"
        parts.append(f"ficou de {fetches}{days.due(last.due_on, last.said, last.due_time, 'em')}")
    waived, hopeless = _waived_fee(case), _hopeless(case, quotes)
    parts += _say_verdicts(waived, hopeless, days, several=several)
    if ready is not None:
        parts.append(_say_ready(ready, deadlines, quotes, case, days, several=several))
    if bill:
        parts.append(f"{_say_asked(bill, case)}{days.said(bill[-1].said.at)}")
    if not parts:
        return None
    used = [*(quotes or (prices if mixed else [])), *deadlines, *warranties[-1:], *pickups[-1:]]
    refs = unique_refs(
        *(one.said.ref for one in used),
        *(one.outcome_ref for one in deadlines[-1:]),
        ready.ref if ready else None,
        hopeless.ref if hopeless else None,
        waived.ref if waived else None,
        case.remarks["said_number"].ref if other_price(case, prices, own=True) is not None else None,
    )
    orders = [one.outcome_order for one in deadlines[-1:] if one.outcome_order is not None]
    said = join_words(parts).replace(" de garantia e ", " de garantia, e ")
    return Claim(kind="offer", text=f"A loja {said}.", messages=refs, orders=orders)


def _own_warranties(
    warranties: list[Commitment], quotes: Sequence[Commitment], *, mixed: bool
) -> list[Commitment]:
    """Return the warranties that surely belong to the offer, with their length."""
    # Another offer had another warranty, and each of two prices may have its own.
    many = mixed or len(amounts_of(quotes)) > 1 or len(warranties) > 1
    if (quotes or mixed) and warranties and (many or warranties[-1].said.at < quotes[0].said.at):
        return []
    return warranties if warranties and warranties[-1].said.mention.length else []


def _say_verdicts(waived: Said | None, hopeless: Said | None, days: DayWords, *, several: bool) -> list[str]:
    """Write that the shop does not charge a fee, and that a repair is impossible or does not pay."""
    parts = []
    if waived is not None:
        parts.append(f"disse{days.said(waived.at)} que não vai cobrar {_FEES[waived.mention.length or '']}")
    if hopeless is not None:
        what = "um dos consertos" if several else "o conserto"
        verdict = "não compensa" if hopeless.mention.length == "dear" else "não é possível"
        parts.append(f"disse{days.said(hopeless.at)} que {what} {verdict}")
    return parts


def _say_asked(quotes: Sequence[Commitment], case: Case) -> str:
    """Write the amounts that the shop named. Whether they are a quote or a bill is not always known."""
    amounts = [one.said.mention.amount for one in quotes if one.said.mention.amount is not None]
    said = [say_money(amount) for amount in dict.fromkeys(amounts)]
    sorts = {one.said.mention.sort for one in quotes}
    if sorts == {"fee"}:
        return f"informou {say_quotes(quotes)}"
    if len(said) == 2 and sorts == {"rough"}:
        return f"informou valores aproximados de {said[0]} a {said[1]}"
    if len(said) > 1:
        return f"informou valores{' aproximados' if 'rough' in sorts else ''} de {join_words(said)}"
    each = " por unidade" if sorts == {"each"} else ""
    what = "o preço" if "said_shops" in case.remarks else "o valor"
    consents = case.remarks.get("said_consents")
    # The customer wrote the amount, and the shop agreed to it.
    verb = "aceitou" if consents is not None and consents.ref == quotes[-1].said.ref else "informou"
    return f"{verb} {'um valor aproximado' if 'rough' in sorts else what} de {said[0]}{each}"
