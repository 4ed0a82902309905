"""What the staff report: the work is ready or late, a payment came, a device was collected.

What belongs here: evidence in clauses of the staff. What does not: what it means for a commitment
(status.py).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from whatsapp_pipeline.domain.commitments import when
from whatsapp_pipeline.domain.commitments.clauses import Clause, Sentence
from whatsapp_pipeline.domain.commitments.mentions import Mention
from whatsapp_pipeline.domain.commitments.phrases import phrase_pattern
from whatsapp_pipeline.domain.commitments.triggers import DUE, PAYMENT, SHOWN, TAKING

READY = phrase_pattern("ready")
_LATE = phrase_pattern("late")
_RECEIVED = phrase_pattern("received")
COLLECTED = phrase_pattern("collected")
NO_COLLECTED = phrase_pattern("no_collected")
_READY_ITSELF = re.compile(
    r"\b(?:pront\w+|finaliz\w+|conclu\w+|termin\w+|consertad\w+|liberad\w+|disponivel|testad\w+)\b"
)
# "Ficaram prontos", "também está pronto": of all that the customer left.
_ALL = re.compile(r"\b(?:prontos|prontas|prontinhos|prontinhas|ambos|ambas|os dois|as duas|tudo|tambem)\b")


# "Olhos prontos. Falta terminar o cabelo": a part of the work. "Falta só os 200" is about money.
_LACKS = re.compile(
    r"\bfalt(?:a|am|ou|aram|ando)\b(?! (?:so |apenas |agora |pagar |acertar |(?:o|a|os|as) )*"
    r"(?:r ?\$|\d|pagar|acertar|pagamento|restante|resto|valor|pix|saldo|voce|buscar|retirar|vir))"
    r"|\b(?:menos|exceto|tirando) (?:o|a)\b"
)


# "Pronto, já anotei", "prontinho, enviei a nota": something else is done.
_DONE_ELSE = re.compile(
    r"\b(?:anot\w+|agend\w+|envi(?:ei|amos|ad[oa])|mand(?:ei|amos)|marc(?:ado|ada|ei|amos)|cadastr\w+|salv(?:ei|o)|"
    r"respond\w+|confirm(?:ado|ada|ei)|encomend\w+|pedid[oa]|quase|metade|primeir[oa]s?|boleto|nota|proposta|contrato|"
    r"recibo|na fabrica|no fornecedor|para usar)\b"
)
# Who comes for the device on a later day, or when the shop is open.
_TO_FETCH = re.compile(
    r"\b(?:busc\w+|retir\w+|peg\w+|vir|vem|entreg\w+|lev\w+|pass\w+|abr\w+|atend\w+|fech\w+|venha|receb\w+|boleto)\b"
)


def _names_later_work(sentence: Sentence) -> bool:
    """Return whether a clause names a day to come that is not one for fetching: "o terno só amanhã"."""
    return any(
        date.code[0] in "twD" and date.code[:2] != "t0"
        for clause in sentence.clauses
        if not _TO_FETCH.search(clause.text)
        for date in when.dates(clause.text)
    )


def without_partial(mentions: list[Mention], found: Sequence[Sentence]) -> list[Mention]:
    """Drop the news of ready work if the same message says that something of it is still to be done."""
    if not any(one.kind == "said_ready" for one in mentions):
        return mentions
    if any(_LACKS.search(it.text) or _DONE_ELSE.search(it.text) or _names_later_work(it) for it in found):
        return [one for one in mentions if one.kind != "said_ready"]
    return mentions


def report_of(clause: Clause, bits: int) -> Mention | None:
    """Return evidence in a clause of staff about an earlier commitment: ready, late, paid."""
    text, place = clause.text, (clause.start, clause.end)
    if bits & (DUE | SHOWN) and _LATE.search(text):
        return Mention("said_late", "staff", *place)
    if (
        bits & PAYMENT
        and _RECEIVED.search(text)
        and not re.search(r"\b(?:nao|aguard\w+|assim que|quando)\b", text)
    ):
        return Mention("said_paid", "staff", *place)
    if bits & (DUE | TAKING) and not re.search(r"\b(?:nao|quando|assim que|se|te aviso|aviso)\b", text):
        if COLLECTED.search(text) and not NO_COLLECTED.search(text):
            handed = "handed" if "entreg" in text else None
            return Mention("said_collected", "staff", *place, length=handed)
        if (
            READY.search(text)
            and not re.search(r"\b(?:orcamento|avaliacao|laudo)\b", text)
            # "na quinta ela tá pronta" promises.
            and all(date.code[:2] == "t0" for date in when.dates(text))
        ):
            # "Pode buscar" may be about a device that was not repaired.
            weak: Literal["weak"] | None = None if _READY_ITSELF.search(text) else "weak"
            return Mention("said_ready", "staff", *place, length=_ALL.search(text) and "all", sort=weak)
    return None
