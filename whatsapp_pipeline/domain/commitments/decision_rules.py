"""Decisions of the customer on a quote.

What belongs here: approvals, refusals and their sorts. What does not: which of several decisions holds
(domain/summaries/decisions.py).
"""

from __future__ import annotations

import re
from typing import Literal

from whatsapp_pipeline.domain.commitments.clauses import Sentence
from whatsapp_pipeline.domain.commitments.mentions import Kind
from whatsapp_pipeline.domain.commitments.phrases import phrase_pattern
from whatsapp_pipeline.domain.commitments.triggers import APPROVAL, REFUSAL

_UNDECIDED = phrase_pattern("undecided")
_APPROVED = phrase_pattern("approved")
_NO_APPROVAL = phrase_pattern("no_approval")
_REFUSED = phrase_pattern("refused")
_NO_REFUSAL = phrase_pattern("no_refusal")
PICKUP = phrase_pattern("pickup")
# "Faz só o notebook", "o celular pode fazer", "só a tela": of several prices, a part is approved.
_PART = re.compile(
    r"^(?:(?:entao|ok|pode|vou|quero|eu|ai|isso|por enquanto|por favor) )*"
    r"(?:(?:faz(?:er)?|faca|arrumar?|arruma|consertar?|conserta|trocar?|troca|aprovo|autorizo|querer) )?"
    r"(?:so|somente|apenas) (?:mesmo )?(?:n?[oa]s?|a troca d[ao]|o conserto d[ao]) \w+(?: \w+){0,2}$"
    r"|^(?:(?:o|a|os|as) )(?!nao\b)\w+ (?:\w+ )?(?:pode|podem) (?:fazer|trocar|consertar|arrumar)$"
)
_ONLY_A_PART = re.compile(
    r"^(?:(?:entao|ok|pode|vou|quero|eu|ai|isso|por enquanto|por favor) )*"
    r"(?:faz(?:er)?|faca|arrumar?|arruma|consertar?|conserta|trocar?|troca|aprovo|autorizo) "
    r"(?:so|somente|apenas) (?:[oa]s?|a troca d[ao]|o conserto d[ao]) \w+(?: \w+){0,2}$"
)
_WANTS_ELSE = re.compile(
    r"(?:e |eu |so )*(?:quero|queria|gostaria|preciso) (?!cancelar|desistir|de volta|buscar|pegar|retirar"
    r"|(?:d?[oa]s? |me[ua]s? |minhas? |todo )*(?:sinal|dinheiro|entrada|valor|grana|\d+)\b)"
)
_AGREED = re.compile(r"fechou|combinado|bora")


def is_undecided(found: list[Sentence]) -> bool:
    """Return whether the customer decides later: "vou pensar"."""
    return any(_UNDECIDED.search(sentence.text) for sentence in found)


def decision_in(text: str, following: str, bits: int) -> Kind | None:
    """Return the decision on a quote in a clause."""
    if bits & REFUSAL and _REFUSED.search(text) and not _NO_REFUSAL.search(text):
        # "não quero trocar a placa, quero saber se dá pra recuperar"
        return None if _WANTS_ELSE.match(following) else "quote_refused"
    if bits & APPROVAL and _ONLY_A_PART.search(text) and not _NO_APPROVAL.search(text):
        return "quote_approved"
    if bits & APPROVAL and _APPROVED.search(text) and not _NO_APPROVAL.search(text):
        # "fechou, vou pegar quinta"
        return None if _AGREED.fullmatch(text) and PICKUP.search(following) else "quote_approved"
    return None


_ANY_AGREEMENT = re.compile(
    r"(?:(?:entao|ok|sim|isso|certo|esta|ja|beleza|por favor|eu|tudo|quero) )*"
    r"(?:fechad[oa]|fechou|fechamos|fecha|fecho|aceito|aceitamos|combinado|bora|confirmad[oa]|confirmo|positivo|"
    r"de acordo|concordo|sim por favor|isso por favor|ok por favor|quero|pode sim|liberad[oa])"
    r"(?: (?:entao|sim|ai|obrigad[oa]|por favor|viu|amanha|hoje))*"
)
# This also follows finished work: "já testamos", "pode deixar assim".
_LEFT_AS_IS = re.compile(r"(?:(?:entao|ok|pode|podem|sim) )*deixar?(?: entao)? assim(?: mesmo)?")
_TAKES_BACK = re.compile(
    r"\bcancel\w+|\bnao (?:precisa|precisam) (?:mais )?(?:fazer|consertar|arrumar|mexer|trocar)|"
    r"\bnao precisa mais|\bnem (?:comec\w+|mex\w+)|\bdesist\w+"
)
# A word that leaves no doubt that the work is not wanted, and not only a visit or a date.
_OF_SERVICE = re.compile(
    r"\bdesist\w+|\bnao (?:precisa|precisam) (?:mais )?(?:fazer|consertar|arrumar|mexer|trocar)|"
    r"\bcancel\w+ (?:\w+ ){0,3}?(?:servico|conserto|reparo|orcamento|ordem|os\b|pedido|troca|manutencao)|"
    r"\bnem (?:comec\w+|mex\w+)"
)


def sort_of_decision(decision: Kind, text: str) -> Literal["weak", "part", "cancel", "called_off"] | None:
    """Return what a decision is, by its words."""
    if decision == "quote_refused":
        if _LEFT_AS_IS.fullmatch(text):
            return "weak"
        if _TAKES_BACK.search(text):
            return "cancel" if _OF_SERVICE.search(text) else "called_off"
        return None
    if _PART.search(text):
        return "part"
    return "weak" if _ANY_AGREEMENT.fullmatch(text) else None
