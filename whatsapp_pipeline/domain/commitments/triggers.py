"""Which kinds of commitment a message may contain, by single words.

What belongs here: the cheap test that comes before the rules. What does not: the rules (`*_rules`).
"""

from __future__ import annotations

from collections.abc import Iterable

from whatsapp_pipeline.domain.commitments.phrases import trigger

# The kinds to which a word may belong, as bits. The clauses of a message without such a word are not read,
# and most messages have none.
PRICE, LENGTH, DUE, DATE, FETCHED, APPROVAL, REFUSAL, PAYMENT, TAKING, SHOWN, IF = (
    1 << bit for bit in range(11)
)
_TRIGGERS = (
    (PRICE, "price"),
    (LENGTH, "length"),
    (DUE, "due"),
    (DATE, "date"),
    (FETCHED, "fetched"),
    (APPROVAL, "approval"),
    (REFUSAL, "refusal"),
    (PAYMENT, "payment"),
    (TAKING, "taking"),
    (SHOWN, "shown"),
    (IF, "condition"),
)
CUSTOMER = APPROVAL | REFUSAL | PAYMENT | TAKING
_COMPILED = tuple((bit, trigger(name)) for bit, name in _TRIGGERS)


class _Bits(dict[str, int]):
    """Cache of words and their bits."""

    def __missing__(self, word: str) -> int:
        bits = 0
        for bit, pattern in _COMPILED:
            if pattern.match(word):
                bits |= bit
        if len(self) < _MEMO_LIMIT:
            self[word] = bits
        return bits


_MEMO_LIMIT = 300_000
_BITS = _Bits()


def bits_of(words: Iterable[str]) -> int:
    """Return the kinds to which at least one of the words may belong, as bits."""
    found = 0
    for word in words:
        found |= _BITS[word]
    return found
