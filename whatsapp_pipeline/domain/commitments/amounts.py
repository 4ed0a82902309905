"""Prices in a clause: amounts of money that the shop asks for.

What belongs here: reading amounts, and the words around numbers that are not prices. What does not: dates
(when.py).
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Literal, NamedTuple

from whatsapp_pipeline.domain.commitments.phrases import around_amounts

_N = r"\d{1,3}(?:\.\d{3})+(?:,\d{2})?|\d+(?:[.,]\d{2})?"
_AMOUNT = re.compile(
    rf"(?P<sign>r ?\$ ?)?(?<![a-z\d/:,.-])(?P<n>{_N})(?![\d/:]|[.,]\d)"
    r"(?P<unit> ?(?:reais|real|contos?|pilas?|mangos?|pratas)\b)?"
)
# A number with a unit is no price: "8gb", "12 v", "90 dias".
_MEASURE = re.compile(rf"(?:[avwdmhx]\b| ?(?:{around_amounts('measure')}))")
# A number that names something: "OS 30415", "rua das Flores 350".
_NAMED = re.compile(
    rf"(?:\b(?:{around_amounts('named')})(?: (?:e|a|o|de|do|n|numero)){{0,2}}|[a-z]-|#|n°|nº) ?$"
)
_ADDRESS = re.compile(r"\b(?:rua|avenida|av|travessa|rodovia|alameda|estrada|praca|cep|bairro)\b[^,]*$")
# Words before or after a bare number that make it a price.
_ASKS = re.compile(rf"\b(?:{around_amounts('asks')})\b[^,]*$")
_AFTER = re.compile(rf" ?(?:{around_amounts('after')})")
# Words beside an amount that is not a price of this shop: the amount is denied, a discount, paid, or another
# shop's.
_NO_PRICE_BEFORE = re.compile(rf"\b(?:{around_amounts('no_price_before')})(?: r ?\$)? ?$")
_NO_PRICE_AFTER = re.compile(rf"(?: reais)? ?(?:{around_amounts('no_price_after')})")
# "110 ou 220", "220v": the voltage of a device.
_VOLTAGES = frozenset({110, 127, 220})
_VOLTAGE = re.compile(r"\b(?:110|127|220)(?: ?v)? ?(?:/|ou|e|para) ?(?:110|127|220)\b")
# Words before an amount that begins its clause, and words after it that name its purpose.
_LEADS = re.compile(r"(?:e |entao |olha |oi |so |uns |umas |da |ai )*$")
_FOR = re.compile(r" (?:[oa]s? \w{3,}|n[oa]s? (?:pix|dinheiro|cartao|debito|troca|total)|a \w+cao)\b")
_ADDED = re.compile(r"\b(?:mais|e mais) ?(?:r ?\$ ?)?$")
# The text that may follow one of two adjacent amounts: "130 com backup, 100 sem".
_ALONE = re.compile(r"(?: reais)?(?: tudo)?(?: (?:com|sem)(?: \w+)?)?")
# A clause that ends with a piece of work: "é troca de conector, 180".
_WORK = re.compile(
    r"\b(?:troca|conserto|reparo|limpeza|formatacao|instalacao|revisao|regulagem|recarga|solda|servico|"
    r"mao de obra|substituicao|manutencao|visita)(?: \w+){0,4}$"
    r"|\b(?:motor|fonte|placa|tela|display|bateria|conector|compressor|sensor|bomba|teclado|hd|ssd|memoria|cooler|"
    r"valvula|correia|resistencia|carburador|rele|capacitor|tampa|carcaca)(?: \w+){0,2}$|\bprecisa de \w+$"
)
_OTHERS = re.compile(rf"\b(?:{around_amounts('others')})\b")


# "4 de R$ 605,50", "10x de 160": an instalment.
_INSTALMENT = re.compile(r"(?<![\d.,])\d{1,2} ?(?:x|vezes|parcelas)? de (?:r ?\$ ?)?$")


# What an earlier repair or a part cost, another shop's price, and a credit.
_EARLIER = re.compile(
    r"\b(?:anterior|passad[oa]) (?:foi|ficou|custou|era|saiu|deu)(?: em| por)? ?(?:r ?\$ ?)?$"
    r"|\bcustou ?(?:r ?\$ ?)?$|\bcredito de ?(?:r ?\$ ?)?$"
    r"|\bd[ao] (?:esquina|shopping|lado|centro) (?:\w+ )?(?:cobra|faz|quer|pede)(?: por)? ?(?:r ?\$ ?)?$"
)
# Words that make a price approximate: "a partir de 420", "entre 200 e 300", "uns 1.900, depende da peça".
_ROUGH_BEFORE = re.compile(
    r"\b(?:a partir d[eo]s?|em torno d[eo]s?|(?:por|em) volta d[eo]s?|na (?:faixa|base|media) d[eo]s?|"
    r"em media|cerca de|aproximadamente|mais ou menos|uns|umas|"
    r"entre|perto d[eo]s?|"
    r"deve (?:ficar|sair|dar)(?: em| por)?)"
    r" (?:uns |umas |r ?\$ ?|de |do |dos )*$"
    r"|\b(?:entre|de) (?:r ?\$ ?)?[\d.,]+ (?:reais )?(?:e|a|ate) (?:r ?\$ ?)?$"
)
_ROUGH_AFTER = re.compile(r" ?(?:reais )?(?:mais ou menos|aproximadamente|em media)")
# The second price of a range: "350 a 400". "350 até 10x" and "350 até 30/11" have no second price.
_UP_TO = re.compile(rf" ?(?:reais )?(?:a|ate) (?:r ?\$ ?)?(?P<n>{_N})(?![\d/:]|[.,]\d|{_MEASURE.pattern})")
# A fee for looking at the device: "a avaliação é 40", "orçamento custa 50", "visita 80".
_FEE_BEFORE = re.compile(
    r"\b(?:buscamos|busco|entregamos|entrego|coletamos|avaliacao|diagnostico|analise|visita|"
    r"taxa(?: de \w+)?|vistoria|teste(?: de \w+)?|chamado|orcamento custa|orcamento e cobrado|"
    r"deslocamento|coleta|busca|frete|entrega|laudo|sedex|correios?|envio|postagem)"
    r"(?: (?:tecnica|e|foi|era|fica|custa|sai|da|em|por|de|so|a|cobramos|esta))* ?(?:r ?\$ ?)?$"
)
_FEE_AFTER = re.compile(
    r" (?:reais )?(?:(?:de|da|pela|a) )?"
    r"(?:avaliacao|visita|taxa|diagnostico|vistoria|coleta|frete|laudo|deslocamento|entrega)\b"
    r"(?! (?:(?:ja|esta|vai) )*(?:inclu\w+|gratis|gratuit\w+|de graca|por (?:nossa|minha) conta))"
)
# "o conserto com busca e entrega fica 280": the price of the work, in which the fee is included.
_FEE_INCLUDED = re.compile(
    r"\b(?:(?<!orcamento )(?<!avaliacao )(?<!diagnostico )(?<!analise )com|inclu\w+|"
    r"(?:conserto|reparo|servico|troca|limpeza|formatacao|instalacao|manutencao) e)"
    r" (?:[ao]s? |ja )*(?:\w+ e (?:[ao]s? )?)?$"
)
_COSTS = re.compile(r"\b(?:fica|sai|custa|e|foi|era|por|em)\b")
# The final cost of the work: "total 140", "ficou em 260".
_TOTAL_BEFORE = re.compile(
    r"\b(?:total|totalizou|falta(?:m)? (?:pagar|acertar)(?: so)?|(?:ficou|deu|saiu)(?: tudo| no total)?)"
    r"(?: e| de| em| por| ficou| deu)* ?(?:r ?\$ ?)?$"
    r"|\b(?:link|boleto|fatura|cobranca|pagamento)(?: d[oe] (?:pagamento|conserto|servico))? "
    r"(?:de|no valor de) ?(?:r ?\$ ?)?$"
)
# "O conserto de R$ 340 está em aberto": a debt, for work that is done.
_TOTAL_AFTER = re.compile(
    r"(?: reais)? no total\b|"
    r"(?: reais)? (?:(?:ainda|e|que|ja) )*(?:esta|ficou|segue|continua|consta) (?:ainda )?"
    r"(?:em aberto|pendente|em atraso|atrasad[oa])\b"
)
# "160 por unidade", "110 cada".
_EACH_AFTER = re.compile(r"(?: reais)? (?:(?:por|a|cada) (?:unidade|aparelho|maquina|equipamento)|cada)\b")
# "450 reais + 100 de mão de obra": the price is the sum.
_PLUS = re.compile(
    r" ?(?:reais )?(?:[a-z]+ ){0,4}(?:e |, )?(?:\+|\bmais) ?(?:[a-z]+ ){0,2}(?:r ?\$ ?)?"
    rf"(?P<n>\d{{2,5}}(?:,\d{{2}})?)(?!\d| ?(?:\d|min\b)|{_MEASURE.pattern})"
)
# "160 a peça e 80 a mão de obra".
_PART_AND_LABOUR = re.compile(
    r"(?: reais)? (?:[ao]s?|d[aeo]s?) (?:\w+ ){1,2}(?:e |, |mais )+(?:r ?\$ ?)?"
    r"(?P<n>\d{2,5}(?:,\d{2})?)(?: reais)? (?:a|de|da|pela) mao de obra\b"
)


class Amount(NamedTuple):
    """An amount of reais and its place in the clause; `sort` as in rules.Mention."""

    value: Decimal
    start: int
    end: int
    sort: Literal["rough", "fee", "total", "each"] | None = None


def parse_amount(written: str) -> Decimal:
    """Read an amount as Brazilians write it: 1.250,00, 350, 89,90, 1.100."""
    if re.fullmatch(r"\d+\.\d{2}", written):
        return Decimal(written)
    return Decimal(written.replace(".", "").replace(",", "."))


# "São 78 pérolas": a count of things.
_COUNTED = re.compile(
    r" (?!reais|contos|pilas|mangos|pratas|mais|duas|dois|tres|nos|nas|dos|das|apos|vezes|depois|pel[ao]s)"
    r"[a-z]{3,}s\b"
)


def _names_something(value: Decimal, before: str, after: str) -> bool:
    """Return whether a number is a measure, a model or an address instead of an amount."""
    if value in _CAPACITIES and _DISK.search(before):
        return True
    return bool(
        _COUNTED.match(after) or _MEASURE.match(after) or _NAMED.search(before) or _ADDRESS.search(before)
    )


# Sizes of disks and memory, which stand beside prices: "ssd 240 com instalação R$ 290".
_CAPACITIES = frozenset({120, 128, 240, 250, 256, 480, 500, 512, 960})
_DISK = re.compile(r"\b(?:ssd|hd|nvme|pendrive|cartao|memoria)(?: de| com)? ?$")


def _is_asked(value: Decimal, before: str, after: str, *, in_words: bool, alone: bool) -> bool:
    """Return whether a bare number is a price. A word or a price before it, or its purpose, shows this."""
    # A word before "garantia" does not apply to a number after it: "a tela tem garantia, a original 180".
    if _ASKS.search(before.rpartition("garantia")[2]) or _AFTER.match(after):
        return True
    if alone and value not in _VOLTAGES and _ALONE.fullmatch(after):
        return True
    # Prices are 30 or more, in steps of 5. A smaller number is a count, and a number between the steps is a
    # code.
    if not _LEADS.fullmatch(before) or value < 30 or value % 5:
        return False
    return (in_words and not after) or bool(_FOR.match(after))  # "850 o conserto", "oitocentos e cinquenta"


# A year, which stands beside models and purchases.
_YEARS = range(1900, 2100)


def numbers(text: str) -> list[Decimal]:
    """Return the different numbers of a text that may be amounts of money, in order."""
    found: dict[Decimal, None] = {}
    for match in _AMOUNT.finditer(text):
        before, after = text[: match.start()], text[match.end() :]
        value = parse_amount(match["n"])
        if not match["sign"] and not match["unit"]:
            is_other = value in _YEARS or _MEASURE.match(after) or re.search(r"\bdia $", before)
            if is_other or not 20 <= value <= 15_000 or _names_something(value, before, after):
                continue
        found[value] = None
    return list(found)


def names_work(clause: str) -> bool:
    """Return whether a clause ends with a piece of work, so that a number after it is its price."""
    return bool(_WORK.search(clause)) and not any(char.isdigit() for char in clause)


def _is_denied(before: str, after: str) -> bool:
    """Return whether an amount is no price of this shop: an instalment, a discount, denied, or paid."""
    return bool(
        _INSTALMENT.search(before)
        or _EARLIER.search(before)
        or _NO_PRICE_BEFORE.search(before)
        or _NO_PRICE_AFTER.match(after)
    )


def prices(clause: str, *, follows_price: bool = False, in_words: bool = False) -> list[Amount]:
    """Return the prices of a clause, in order.

    With `follows_price`, the clause before it in the sentence has a price ("a tela 200, a bateria 150"). With
    `in_words`, the message has numbers in words, so they are no codes.
    """
    if _OTHERS.search(clause):
        return []
    if "10" in clause or "20" in clause or "127" in clause:
        clause = _VOLTAGE.sub(lambda match: "v" * len(match[0]), clause)
    found: list[Amount] = []
    for match in _AMOUNT.finditer(clause):
        before, after = clause[: match.start()], clause[match.end() :]
        value = parse_amount(match["n"])
        marked = bool(match["sign"] or match["unit"]) or bool(re.search(r",\d{2}$", match["n"]))
        if not marked and (_names_something(value, before, after) or not 20 <= value <= 15_000):
            continue
        alone = follows_price or bool(found)
        if not marked and not _is_asked(value, before, after, in_words=in_words, alone=alone):
            continue
        if marked and not match["sign"] and not match["unit"] and _MEASURE.match(after):
            continue
        if not found and _ADDED.search(before):
            continue  # this belongs to a price that was not recognised
        if value <= 0 or _is_denied(before, after):
            continue
        if re.search(r"\bde ?$", before) and re.match(r" (?:\w+ ){0,3}(?:por|para) (?:r ?\$ ?)?\d", after):
            continue  # "de 400 por 370"
        found.append(Amount(value, match.start(), match.end(), _sort(value, before, after)))
    return found


def _sort(value: Decimal, before: str, after: str) -> Literal["rough", "fee", "total", "each"] | None:
    """Return the kind of a price, by the words beside it."""
    if _ROUGH_BEFORE.search(before) or _ROUGH_AFTER.match(after):
        return "rough"
    up_to = _UP_TO.match(after)
    if up_to and parse_amount(up_to["n"]) > value:
        return "rough"
    fee = _FEE_BEFORE.search(before)
    if fee and not (_COSTS.search(fee[0]) and _FEE_INCLUDED.search(before[: fee.start()])):
        return "fee"
    if _FEE_AFTER.match(after):
        return "fee"
    is_total = _TOTAL_BEFORE.search(before) and not re.search(r"\b(?:orcamento|ficaria|se)\b", before)
    # "Tudo 105", "150 tudo": without a verb, this is the final cost.
    alone = re.fullmatch(r"(?:e |entao )*tudo (?:r ?\$ ?)?", before) or re.fullmatch(
        r"(?: reais)? tudo(?: junto)?", after if not before.strip("r$ ") else ""
    )
    if is_total or alone or _TOTAL_AFTER.match(after):
        return "total"
    return "each" if _EACH_AFTER.match(after) else None


def with_second_part(amount: Amount, clause: str) -> Amount:
    """Return the sum of an amount and the amount after a "+", or the amount itself."""
    plus = _PLUS.match(clause, amount.end) or _PART_AND_LABOUR.match(clause, amount.end)
    return amount if plus is None else amount._replace(value=amount.value + parse_amount(plus["n"]))
