"""What a customer announces: decisions, payments, pick-ups, and bringing a device.

What belongs here: reading the clauses of a customer's message. What does not: decisions on a quote
(decision_rules.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from whatsapp_pipeline.domain.commitments import when
from whatsapp_pipeline.domain.commitments.clause_context import (
    CONDITION,
    QUESTION_WORD,
    clause_after,
    clause_before,
    is_asked,
)
from whatsapp_pipeline.domain.commitments.clauses import Clause, Sentence
from whatsapp_pipeline.domain.commitments.deadline_rules import DATE_FOLLOWS
from whatsapp_pipeline.domain.commitments.decision_rules import (
    PICKUP,
    decision_in,
    is_undecided,
    sort_of_decision,
)
from whatsapp_pipeline.domain.commitments.mentions import Kind, Mention
from whatsapp_pipeline.domain.commitments.phrases import phrase_pattern
from whatsapp_pipeline.domain.commitments.report_rules import COLLECTED, NO_COLLECTED
from whatsapp_pipeline.domain.commitments.triggers import (
    APPROVAL,
    CUSTOMER,
    IF,
    PAYMENT,
    REFUSAL,
    TAKING,
    bits_of,
)

_COLLECTED_MYSELF = phrase_pattern("collected_myself")
_PAID = phrase_pattern("paid")
_NOT_PAID = phrase_pattern("not_paid")
_NO_PICKUP = phrase_pattern("no_pickup")
_BRINGING = phrase_pattern("bringing")
_NO_BRINGING = phrase_pattern("no_bringing")
_PUT_OFF = phrase_pattern("put_off")
_COMES = phrase_pattern("comes")


def customer_mentions(found: list[Sentence]) -> Iterator[Mention]:
    """Yield the mentions in a message of the customer, at most one of each kind."""
    kinds: dict[Kind, Mention] = {}
    offered: Mention | None = None  # "quarta está bom para eu pegar? então combinado"
    for sentence in found:
        unsure = False
        for number, clause in enumerate(sentence.clauses):
            bits = bits_of(clause.text.split())
            unsure = unsure or bool(bits & IF and CONDITION.search(clause.text))
            is_open = unsure or is_asked(sentence, number)
            is_open = is_open or bool(sentence.asks and QUESTION_WORD.search(clause.text))
            if not is_open and (later := _comes_later(sentence, number)):
                kinds["pickup_agreed"] = later
            if not bits & CUSTOMER and not offered:
                continue
            if is_open:
                # A condition is no offer: "se der eu passo quarta".
                offered = offered or (None if unsure else next(_taken(clause, "", bits), None))
                continue
            if offered and offered.due and _SETTLED.search(clause.text):
                kinds.setdefault(offered.kind, offered)
            for mention in _said(clause, clause_after(sentence, number), bits, found):
                if mention.kind == "pickup_agreed" and mention.due is None and not kinds:
                    mention = _dated(mention, clause_before(sentence, number))  # noqa: PLW2901  # the same mention with its date
                known = kinds.get(mention.kind)
                if known is None or (known.due is None and mention.due is not None):
                    kinds[mention.kind] = mention
    yield from _without_contradiction(kinds, found)


def _comes_later(sentence: Sentence, number: int) -> Mention | None:
    """Return the new day of a postponed visit: "não consegui ir hoje, vou amanhã"."""
    clause = sentence.clauses[number]
    if not _PUT_OFF.search(clause_before(sentence, number)) or not _COMES.search(clause.text):
        return None
    dates = when.dates(clause.text)
    due = dates[0].code.partition("@")[0] if dates else None
    return Mention("pickup_agreed", "customer", clause.start, clause.end, due=due)


def _without_contradiction(kinds: dict[Kind, Mention], found: list[Sentence]) -> Iterator[Mention]:
    """Yield the mentions of a message.

    A refusal cancels an approval. Without both, the customer may be undecided.
    """
    approved = kinds.get("quote_approved")
    if "quote_refused" in kinds and (approved is None or approved.sort != "part"):
        kinds.pop("quote_approved", None)
    if kinds.keys().isdisjoint({"quote_approved", "quote_refused"}) and is_undecided(found):
        first, last = found[0].clauses[0], found[-1].clauses[-1]
        kinds["said_undecided"] = Mention("said_undecided", "customer", first.start, last.end)
    yield from kinds.values()


def _dated(mention: Mention, before: str) -> Mention:
    """Return a pick-up with the date of the clause before it: "combinado amanhã, meu esposo retira"."""
    dates = when.dates(before)
    return mention._replace(due=dates[-1].code.partition("@")[0]) if dates else mention


_SETTLED = re.compile(r"\b(?:combinado|fechado|fechou|marcado|entao vou|entao passo|vou (?:hoje|amanha))\b")
_MEANS_OF_PAYMENT = re.compile(
    r"\b(?:pix\w*|transf\w+|deposit\w+|comprovante|boleto|ted|cartao|debito|credito|sinal|entrada|dinheiro)\b"
)
_IS_PAID = re.compile(
    r"\b(?:paguei|pagamos|pagou|pago (?:ja|esta)|ja (?:\w+ )?pag[oa]|quitei|quitad[oa]|acertei|dei"
    r"|comprovante|(?:esta|estao|foi|foram|sinal|boleto) pag[oa]s?"
    r"|fi(?:z|zemos)|fez|acabei de|caiu na|debitou|saiu da"
    r"|transferi(?:mos|u|d[oa])?|deposit(?:ei|amos|ou|ad[oa])"
    r"|(?:mand|envi|pass|adiant|deix|coloqu|realiz|efetu)(?:ei|amos|ou)"
    r"|(?:pix|pagamento|transferencia|deposito|ted) (?:ja )?(?:foi|saiu)"
    r"|(?:pix|pagamento|transferencia|deposito|ted) (?:ja )?(?:\w+ )?"
    r"(?:feit|enviad|realizad|efetuad|mandad|confirmad)[oa]"
    r"|(?:feit|enviad|realizad|efetuad)[oa] (?:o |a )?(?:pix|pagamento|transferencia|deposito|boleto))\b"
)
_WILL_PAY = re.compile(
    r"\b(?:vou|vamos|irei|vai|posso|pagarei|farei|mandarei|depois|amanha|segunda|terca|quarta|quinta|sexta|sabado|"
    r"quando|assim que|n[ao] (?:retirada|entrega|hora)|dia \d+ (?:eu )?(?:pago|faco|mando|te))\b"
)


def _said(clause: Clause, following: str, bits: int, found: list[Sentence]) -> Iterator[Mention]:
    """Yield the decisions, payments and pick-ups in a clause of the customer."""
    text, place = clause.text, (clause.start, clause.end)
    decision = decision_in(text, following, bits) if bits & (REFUSAL | APPROVAL) else None
    if decision and not is_undecided(found):
        yield Mention(decision, "customer", *place, sort=sort_of_decision(decision, text))
    if bits & PAYMENT and _PAID.search(text) and not _NOT_PAID.search(text):
        dates = when.dates(text) if not re.search(r"\b(?:ja|acabei|ontem|fei(?:to|ta)|\w+ei)\b", text) else []
        due = dates[0].code.partition("@")[0] if dates else None
        doubt: Literal["weak"] | None = None if _MEANS_OF_PAYMENT.search(text) else "weak"
        made = _IS_PAID.search(text) and not _WILL_PAY.search(text)
        yield Mention("payment_announced", "customer", *place, due=due, sort=doubt if made else "to_come")
    yield from _taken(clause, following, bits)


def _collected(text: str, bits: int) -> bool:
    """Return whether a clause of the customer reports that the device was collected."""
    if not bits & TAKING or "nao" in text.split() or NO_COLLECTED.search(text):
        return False
    return bool(COLLECTED.search(text) or _COLLECTED_MYSELF.search(text))


_TAKES = re.compile(r"\b(?:busc|peg|retir|apanh|recolh|colet|lev|tir[aoe]|carreg)")


def _taken(clause: Clause, following: str, bits: int) -> Iterator[Mention]:
    """Yield the mentions of a pick-up in a clause of the customer."""
    text, place = clause.text, (clause.start, clause.end)
    if bits & TAKING and (taken := PICKUP.search(text)) and not _NO_PICKUP.search(text):
        dates = when.dates(text)
        if re.match(r"(?:na|no|as|dia|depois|hoje|amanha)\b", following) and (
            not dates or dates[-1].code == "W1"
        ):
            dates = when.dates(f"{text} {following}")
        bare = taken[0].startswith("quando") or taken[0] in {"passo ai", "passo la", "passamos ai"}
        if dates or not bare:
            due = (
                min(dates, key=lambda it: abs(it.start - taken.end())).code.partition("@")[0]
                if dates
                else None
            )
            if due and due[0] in "hm":
                due = "t0"
            # "Passo aí sábado" does not say what for.
            visit: Literal["weak"] | None = None if _TAKES.search(text) else "weak"
            yield Mention("pickup_agreed", "customer", *place, due=due, sort=visit)
    elif _collected(text, bits):
        yield Mention("said_collected", "customer", *place)
    elif _BRINGING.search(text) and not _NO_BRINGING.search(text):
        dates = when.dates(text) or (when.dates(following) if DATE_FOLLOWS.match(following) else [])
        if dates and dates[0].code[0] not in "db":  # "um dia que der" names no day
            yield Mention("said_bringing", "customer", *place, due=dates[0].code.partition("@")[0])
