"""Whether a device stands in a message as what is to be repaired, or only in passing.

What belongs here: the words around the name of a device. What does not: finding devices (topics.py) and the
message as a whole (message_devices.py).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_BEFORE, _AFTER = 6, 5  # tokens
_FIRST = 3
_GREETING = frozenset(
    {"bom", "boa", "dia", "tarde", "noite", "oi", "ola", "opa", "fala", "tudo", "bem", "aqui"} | set(",.!?")
)
_OWN = frozenset(
    {"meu", "minha", "meus", "minhas", "nosso", "nossa", "nossos", "nossas", "seu", "sua", "dele", "dela"}
)
# Somebody asks for work on the device, has it, brings it or buys it.
_BROUGHT = re.compile(
    r"(?:consert|arrum|repar|troc|format|limp|lav|hig|afin|reform|restaur|instal|mont|desmont|regul|revis|sold|ajust|"
    r"pint|avali|orcamento|orcar|quant|preco|valor|mex|mech|faz|atend|trabalh|tenho|temos|tinha|trouxe|traz|trag|lev|"
    r"deix|perd|quebr|molh|queim|trinc|rach|descol|rasg|busc|retir|peg|cade|sobre|pront|precis|recuper|duplic|copi|vend|"
    r"compr|alug|novidade|noticia|saber|caso|ver|recarg|desbloq|atualiz|manutenc|assist|tecnic|ganh|e$|com$|de$|para$|s$)"
)
# What the device does or does not do, or how it is.
_STATES = re.compile(
    r"(?:nao|nem|par(?:ou|ad)|quebr|queim|trav|lig|deslig|faz|fez|com$|sem$|est|fica|ficou|que$|caiu|cai|veio|acend|"
    r"apag|pisc|tremi|trem|vaz|ping|cheir|solt|rasg|trinc|rach|descol|desafin|falh|bat|patin|morre|morrend|ronc|da$|deu|"
    r"esquent|aquec|gel|carreg|reinic|lent|chi|barulh|mol|oxid|pegou|entup|precis|pront|chegou|so$|tem$|pul|embol|"
    r"desalinh|mancha|riscad|amass|defeit|problema|emperr|ruim|velh|estrag|estour|enguic|pif|sumiu|foi$|voltou|dá$)"
)
# "Amassou um carro", "bateu em uma moto": what happened to another thing.
_HAPPENED = re.compile(r"\w+(?:ou|eu|iu|aram|eram)$")
_HARMED = re.compile(r"(?:amass|atropel|esbarr)")
_OF_VEHICLE = re.compile(
    r"(?:motor|chave|som|vidr|freio|pneu|farol|porta|bateria|multimidia|alarme|ar$|condicionado|painel|banco|rodas?$|"
    r"embreagem|cambio|radio|central|injecao|escap|suspens|parabrisa|retrovisor|luz|lanterna|pintura|lataria)"
)
_NO_EVENT = frozenset({"parou", "sou", "vou", "estou", "meu", "seu"})


def _is_other_thing(verb: str, article: str, after: Sequence[str]) -> bool:
    """Return whether the words before a device say what happened to it, and no fault follows."""
    if article in {"o", "a"}:
        return bool(_HARMED.match(verb))
    is_event = article in {"um", "uma"} and _HAPPENED.match(verb) and verb not in _NO_EVENT
    return bool(is_event) and not any(map(_STATES.match, after[:3]))


def only_names_owner(forms: Sequence[str], start: int) -> bool:
    """Return whether a vehicle only says whose somebody or something is: "o morador do carro"."""
    if start < 2 or forms[start - 1] not in {"do", "da", "dos", "das"}:
        return False
    return not (_BROUGHT.match(forms[start - 2]) or _OF_VEHICLE.match(forms[start - 2]))


def is_brought(forms: Sequence[str], start: int, end: int) -> bool:
    """Return whether the device named at `start` is what a request or a fault is about."""
    before, after = forms[max(0, start - _BEFORE) : start], forms[end : end + _AFTER]
    if start > 1 and _is_other_thing(forms[start - 2], forms[start - 1], after):
        return False
    words = [form for form in forms[:start] if form not in _GREETING]
    if len(words) < _FIRST or len(forms) <= _BEFORE:
        return True
    if not _OWN.isdisjoint(before[-3:]) or not _OWN.isdisjoint(after[:1]):
        return True
    return any(map(_BROUGHT.match, before)) or any(map(_STATES.match, after))
