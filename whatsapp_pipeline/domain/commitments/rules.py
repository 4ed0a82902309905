"""Commitments in one message, found by rules over its clauses.

What belongs here: the order in which the rules of staff and customer are tried. What does not: the rules of
each kind (`*_rules`), amounts (amounts.py), dates (when.py) and the outcome of a commitment (status.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from whatsapp_pipeline.domain.commitments.amounts import Amount, names_work, prices
from whatsapp_pipeline.domain.commitments.clause_context import clause_before, is_asked
from whatsapp_pipeline.domain.commitments.clauses import Sentence, sentences
from whatsapp_pipeline.domain.commitments.customer_rules import customer_mentions
from whatsapp_pipeline.domain.commitments.deadline_rules import deadlines_of_other_devices, promise_of
from whatsapp_pipeline.domain.commitments.mentions import Mention
from whatsapp_pipeline.domain.commitments.price_rules import one_offer, quotes_of, waits_for_consent
from whatsapp_pipeline.domain.commitments.report_rules import report_of, without_partial
from whatsapp_pipeline.domain.commitments.triggers import (
    CUSTOMER,
    DATE,
    DUE,
    FETCHED,
    LENGTH,
    PRICE,
    SHOWN,
    bits_of,
)
from whatsapp_pipeline.domain.commitments.warranty_rules import warranties_of
from whatsapp_pipeline.domain.summaries.patterns import tokenize


def read_commitments(text: str, forms: Sequence[str] | None = None) -> tuple[Mention, ...]:
    """Return two lists of mentions in a message: if staff wrote it, and if the customer wrote it.

    `forms` are the tokens of the message, if the caller has them.
    """
    bits = bits_of(tokenize(text) if forms is None else forms)
    staff = bits & (PRICE | LENGTH | SHOWN) or (bits & (DUE | FETCHED) and bits & (DATE | FETCHED))
    if not staff and not bits & CUSTOMER:
        return ()
    found = sentences(text)
    mentions: list[Mention] = []
    if staff:
        mentions += without_partial(one_offer(list(_staff_mentions(text, found, bits)), text, found), found)
    if bits & CUSTOMER:
        mentions += customer_mentions(found)
    return tuple(mentions)


def _staff_mentions(message: str, found: list[Sentence], triggers: int) -> Iterator[Mention]:
    """Yield the mentions in a message of the staff: each price once, and one deadline per device."""
    dated = False
    quoted: set[Decimal] = set()
    for sentence in found:
        warranties = warranties_of(sentence) if bits_of(sentence.text.split()) & LENGTH else []
        yield from warranties
        priced = False
        for number, clause in enumerate(sentence.clauses):
            if is_asked(sentence, number):
                continue
            bits = bits_of(clause.text.split())
            amounts: list[Amount] = []
            if bits & PRICE:
                in_words = not any(char.isdigit() for char in message[clause.start : clause.end])
                follows = priced or names_work(clause_before(sentence, number))
                amounts = prices(clause.text, follows_price=follows, in_words=in_words)
            priced = priced or bool(amounts)
            for quote in quotes_of(sentence, number, amounts, quoted):
                yield (
                    quote._replace(sort=None) if quote.sort == "total" and waits_for_consent(found) else quote
                )
            if not dated and bits & (DUE | FETCHED | DATE) and triggers & (DATE | FETCHED):
                promised = promise_of(sentence, number, warranties)
                if promised:
                    dated = True
                    yield promised
                    if promised.kind == "deadline_promised":
                        yield from deadlines_of_other_devices(sentence, number, promised)
                    continue
            if shown := report_of(clause, bits):
                yield shown
