"""Deadlines that the staff promise, and the days on which they fetch a device.

What belongs here: which date belongs to which promise. What does not: reading dates (when.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Literal

from whatsapp_pipeline.domain.commitments import when
from whatsapp_pipeline.domain.commitments.clause_context import CONDITION, clause_after, clause_before
from whatsapp_pipeline.domain.commitments.clauses import Clause, Sentence
from whatsapp_pipeline.domain.commitments.mentions import Mention
from whatsapp_pipeline.domain.commitments.phrases import filled, phrase_pattern

_DONE = phrase_pattern("done")
_NOT_DONE = phrase_pattern("not_done")
_FETCH = phrase_pattern("fetch")
_NO_FETCH = phrase_pattern("no_fetch")
_READY_NOW = re.compile(
    r"(?:ja |esta |olha )*(?:pront(?:o|a|inho|inha)|finalizad[oa]) (?:e testad[oa] )?(?:ja )?"
    r"pode (?:vir |passar )?(?:buscar|retirar|pegar)\b"
)


def promise_of(sentence: Sentence, number: int, warranties: Sequence[Mention]) -> Mention | None:
    """Return the deadline or pick-up that is promised by a clause, alone or together with the next clause."""
    clause = sentence.clauses[number]
    if CONDITION.search(clause.text) or CONDITION.search(clause_before(sentence, number)):
        return None
    if _READY_NOW.match(clause.text):  # "prontinho, pode retirar até 18h"
        return None
    if fetched := _fetch(clause):
        return fetched
    following = clause_after(sentence, number)
    lengths = {warranty.length for warranty in warranties}
    due = _deadline(clause.text, following, lengths)
    # "Mais 2 dias" is a delay: the whole time is longer.
    sort: Literal["weak"] | None = "weak" if due and due[0] in "bd" and _MORE.search(clause.text) else None
    return (
        Mention("deadline_promised", "staff", clause.start, clause.end, due=due, sort=sort) if due else None
    )


_MORE = re.compile(r"\bmais (?:um|uns|\d+) (?:dias?|semanas?)\b")


_OTHER_DEVICE = re.compile(
    rf"(?:^|\be )(?:(?:[oa]s?|seu|sua|meu|minha|ja|e) )*{filled('{device}')} (?:\w+ ){{0,3}}"
)
_NO_VERB = re.compile(r"\b(?:nao|fech\w+|abr\w+|cheg\w+|visita|garantia|pag\w+)\b")


def deadlines_of_other_devices(sentence: Sentence, number: int, first: Mention) -> Iterator[Mention]:
    """Yield the deadlines of further devices: "o notebook sai na segunda e a impressora na terça"."""
    for place, clause in enumerate(sentence.clauses[number : number + 3]):
        for named in list(_OTHER_DEVICE.finditer(clause.text))[1 if place == 0 else 0 :]:
            rest = clause.text[named.start() :]
            found = when.dates(rest)
            if found and found[0].code != first.due and not _NO_VERB.search(rest):
                yield Mention("deadline_promised", "staff", clause.start, clause.end, due=found[0].code)


_FETCHER = re.compile(r"\b(?:motoboy|rapaz|equipe|transportadora|entregador|coleta|na sua casa|ai)\b")
DATE_FOLLOWS = re.compile(
    r"(?:para|ate|no|na|as|dia|hoje|amanha|segunda|terca|quarta|quinta|sexta|sabado|\d)"
)
_ONLY_TIME = re.compile(
    r"(?:(?:as|ate|ate as|umas|(?:la )?pelas|depois das|antes das|por volta das) )?\d{1,2}(?:h|:\d\d|h\d\d)?"
)
_OF_TODAY = re.compile(r"\bhoje\b|fim d[oa]|final d[oa]|tarde|noite|almoco")
_STRONG = re.compile(
    r"\b(?:prazo|previsao)\b|pront|entreg|termin|finaliz|conclu|devolv|"
    r"^(?:da|fica|consigo|conseguimos) sim\b|no maximo|pode (?:vir|passar|buscar|pegar|retirar)\b"
)


def _fetch(clause: Clause) -> Mention | None:
    """Return the day on which the staff fetch a device, or None."""
    if not _FETCH.search(clause.text) or _NO_FETCH.search(clause.text):
        return None
    found = when.dates(clause.text)
    if not found and not _FETCHER.search(clause.text):
        return None
    due = found[0].code.partition("@")[0] if found else None
    return Mention("pickup_agreed", "staff", clause.start, clause.end, due=due)


def _deadline(text: str, following: str, warranties: set[str | None]) -> str | None:
    """Return the code of the date that a clause promises. The verb and the date may be in two clauses."""
    verb = _DONE.search(text)
    if verb is None:
        if not _DONE.search(following) or _NOT_DONE.search(following) or not when.dates(text):
            return None
        days = _dates_of_work(text, warranties)
        if days and (clock := when.clock(following)) and not when.dates(following):
            # "pode trazer amanhã às 9h, fica pronto às 17h"
            return f"{days[0].code.partition('@')[0]}{clock.removeprefix('c')}"
        text, following = f"{text} , {following}", ""
        verb = _DONE.search(text)
    if verb is None or _NOT_DONE.search(text):
        return None
    found = _dates_of_work(text, warranties)
    if not found and DATE_FOLLOWS.match(following) and _STRONG.search(text):
        if not _DONE.search(following) and not _NOT_DONE.search(following):
            found = _dates_of_work(following, warranties)
    elif found and "@" not in found[0].code and _ONLY_TIME.fullmatch(following):
        found = when.dates(f"{text} as {re.sub(r'^[a-z ]+', '', following)}")
    if not found and _STRONG.search(text) and (clock := when.clock(text)):  # "até as 18h fica pronto"
        return clock
    if not found:
        return None
    closest = min(found, key=lambda it: min(abs(it.start - verb.end()), abs(verb.start() - it.end)))
    return None if _is_vague(closest.code, text) or _is_other_span(closest.code, text) else closest.code


def _is_vague(code: str, text: str) -> bool:
    """Return whether a date is no deadline: "agora", "mais tarde", or hours that a part lasts."""
    return (code == "t0" and not _OF_TODAY.search(text)) or _is_too_long(code)


_OF_PERIOD = re.compile(r"\bgarantia|\bsem custo|\bvalid|\bgratis|\btroc\w+ sem")


def _is_other_span(code: str, text: str) -> bool:
    """Return whether a duration is that of a warranty, a delay, or longer than work takes."""
    if code[0] not in "dbM":
        return False
    if _OF_PERIOD.search(text):
        return True
    number = code.partition("@")[0][1:]
    return number.isdigit() and int(number) >= _MANY_DAYS and "prazo" not in text


_MANY_DAYS = 60
# The longest work in hours or minutes. More is how long a part lasts: "umas 2 mil horas".
_LONGEST = {"h": 72, "m": 600}


def _is_too_long(code: str) -> bool:
    """Return whether a duration in hours or minutes is too long for a deadline."""
    number = code.partition("@")[0][1:]
    return code[0] in _LONGEST and number.isdigit() and int(number) > _LONGEST[code[0]]


def _dates_of_work(text: str, warranties: set[str | None]) -> list[when.When]:
    """Return the dates of a clause that are not the length of a warranty."""
    found = when.dates(text)
    if not warranties or not found:
        return found
    taken = [it for it in when.lengths(text) if it.code in warranties]
    return [it for it in found if not any(it.start < other.end and other.start < it.end for other in taken)]
