"""Prices that the staff quote.

What belongs here: which amounts of a message are quotes, fees, totals or bills. What does not: reading
amounts (amounts.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal

from whatsapp_pipeline.domain.commitments.amounts import Amount, parse_amount, with_second_part
from whatsapp_pipeline.domain.commitments.clause_context import clause_after, clause_before
from whatsapp_pipeline.domain.commitments.clauses import Sentence, plain
from whatsapp_pipeline.domain.commitments.mentions import Mention
from whatsapp_pipeline.domain.commitments.phrases import filled
from whatsapp_pipeline.domain.commitments.report_rules import READY
from whatsapp_pipeline.domain.summaries.patterns import fold_in_place

_OF_ALL = re.compile(r"\b(?:os|as) (?:dois|duas|2|tres|3|quatro|4)\b|\btudo\b|\btotal\b|\bambos\b")
_LOWERED = re.compile(
    r"\b(?:para|pra) (?:voce|vc|ti|a senhora|o senhor)\b|\b(?:faco|fazemos|consigo|deixo|fecho|fechamos)\b"
)
_BY_MEANS = re.compile(r"\b(?:a vista|pix|dinheiro|cartao|debito|credito)\b")
# "Duas opções", and a list of at least two items.
_OPTIONS = re.compile(r"\bopc(?:ao|oes)\b|\balternativas?\b")
_ITEM = re.compile(r"(?m)^\s*(?:\d{1,2} ?[).:-]|opcao \w+ ?[):-]|[-*•–])\s")


def _lists_options(text: str) -> bool:
    """Return whether a message lists prices to choose from, or of parts. None of them replaces another."""
    folded = fold_in_place(text)
    return bool(_OPTIONS.search(folded)) or len(_ITEM.findall(folded)) > 1


# A debt, or work that was done: "o pagamento ficou pendente, 145", "central trocada, 380".
_BILL = re.compile(
    r"\b(?:pendente|em aberto|em atraso|atrasado|o restante|link (?:de|do|para) pagamento)\b"
    r"|\bfaltam? (?:pagar|acertar)\b"
)
_WORK_DONE = re.compile(
    r"(?:(?:o|a|os|as|ja) )?(?:[a-z]+ ){0,2}(?:trocad|instalad|consertad|substituid|reparad)[oa]s?"
    r"|(?:ja )?(?:resolvid|pront|feit|concluid)[oa]|(?:era|foi) (?:so|apenas|o|a|um|uma) [a-z ]+"
    r"|(?!temos|podemos|fazemos|precisamos|cobramos|vamos|vimos|achamos)"
    r"[a-z]+(?:amos|emos|imos) [oa]s? [a-z ]+"
)
# "Era a fonte, fica 200" still asks.
_OFFERS = re.compile(
    r"\b(?:fica|ficaria|sai|sairia|custa|seria|posso|podemos|autoriza\w*|aprova\w*|pode ser)\b"
)


def _is_billed(found: Sequence[Sentence]) -> bool:
    """Return whether a message of staff names a debt or finished work. Its price is then no quote."""
    clauses = [clause.text for sentence in found for clause in sentence.clauses]
    if any(_OFFERS.search(clause) for clause in clauses):
        return False
    if any(_BILL.search(clause) for clause in clauses):
        return True
    return any(_WORK_DONE.fullmatch(clause) for clause in clauses)


# "Pago R$ 250 pelas peças", "autorizou devolver os R$ 650": what the shop pays.
_SHOP_PAYS = re.compile(
    r"(?:^|[.,;!] ?)(?:eu |nos |te |a gente )*(?:pago|pagamos|compro|compramos|ofereco|oferecemos) "
    r"(?:(?:nela|nele|por|ate) )*(?:r ?\$ ?)?\d"
    r"|\b(?:devolv|estorn|reembols)\w+ (?:(?:[oa]s|seus|o valor|o sinal|de|integral) )*(?:r ?\$ ?)?\d"
)
# "1.890 + 532 = 2.422": the sum is the price.
_SUM = re.compile(r"= ?(?:r ?\$ ?)?(?P<n>\d{1,3}(?:\.\d{3})+(?:,\d{2})?|\d+(?:,\d{2})?)(?![\d/:])")


def _summed(mentions: list[Mention], text: str) -> list[Mention]:
    """Return the mentions with the sum that a message reckons, instead of its parts and instalments."""
    found = _SUM.search(fold_in_place(text))
    prices_said = [one for one in mentions if one.kind == "price_quoted"]
    if found is None or not prices_said:
        return mentions
    total = parse_amount(found["n"])
    kept = [one for one in prices_said if one.amount == total][:1] or [
        prices_said[0]._replace(amount=total, sort=None)
    ]
    return [*(one for one in mentions if one.kind != "price_quoted"), *kept]


def one_offer(mentions: list[Mention], text: str, found: Sequence[Sentence]) -> list[Mention]:
    """Drop the prices of a message that its last price replaces, because that one is their sum or a lower
    price.

    "180 cada, os dois 320"; "o conector fica 120, pra você faço 90".
    """
    if _SHOP_PAYS.search(fold_in_place(text)):
        return [one for one in mentions if one.kind != "price_quoted"]
    mentions = _summed(mentions, text)
    if any(one.kind == "price_quoted" and one.sort is None for one in mentions) and _is_billed(found):
        mentions = [
            one._replace(sort="total") if one.kind == "price_quoted" and one.sort is None else one
            for one in mentions
        ]
    prices_said = [one for one in mentions if one.kind == "price_quoted" and one.sort != "fee"]
    if len(prices_said) < 2 or _lists_options(text):
        return mentions
    before, last = prices_said[-2:]
    if before.amount is None or last.amount is None or before.start == last.start:
        return mentions
    clause = plain(fold_in_place(text[last.start : last.end]))
    if before.sort == "each" and last.sort is None and not _OF_ALL.search(clause):
        mentions = [one._replace(sort="each") if one is last else one for one in mentions]
    is_lower = last.amount < before.amount and _LOWERED.search(clause) and not _BY_MEANS.search(clause)
    if not is_lower and not (last.amount > before.amount and _OF_ALL.search(clause)):
        return mentions
    return [one for one in mentions if one not in prices_said[:-1]]


# The message asks whether the work may be done, not how it is paid or when it is collected.
_ASKS_CONSENT = re.compile(
    filled(r"\b(?:posso|podemos)(?: (?:ja )?{work}\b|$)")
    + r"|\b(?:pode ser|autoriz\w+|aprov\w+|confirma|o que acha|sigo|seguimos|vamos (?:fazer|seguir|trocar)|"
    r"(?:quer|gostaria|deseja) (?:que|fazer|seguir|trocar|consertar))\b"
)
_AWAITS_CONSENT = re.compile(
    r"\baguard\w+ (?:(?:a|o|sua|seu) )*(?:autorizacao|aprovacao|ok|aval)\b"
    + filled(r"|\b(?:posso|podemos) (?:ja )?{work}$")
)


def waits_for_consent(found: Sequence[Sentence]) -> bool:
    """Return whether a message asks for consent. "ficou em 350" is then a quote, not a total."""
    if any(READY.search(clause.text) for sentence in found for clause in sentence.clauses):
        return False
    return any(
        (sentence.asks and _ASKS_CONSENT.search(sentence.text)) or _AWAITS_CONSENT.search(sentence.text)
        for sentence in found
    )


# "48 do sedex, mais os 120 do diagnóstico": a fee is no part of a price.
_PLUS_FEE = re.compile(
    r"(?:\bmais|\+) ?(?:[ao]s? )?(?:r ?\$ ?)?\d[\d.,]*(?: reais)? (?:(?:d[aeo]|pel[ao]) )?"
    r"(?:avaliacao|diagnostico|visita|taxa|vistoria|frete|laudo|deslocamento|sedex|correios?)\b"
)
# "Fazemos visita, R$ 90, abate do conserto".
_NAMES_FEE = re.compile(
    r"\b(?:visita|avaliacao|diagnostico|taxa|deslocamento|frete|vistoria|analise|chamado|laudo)"
    r"(?: tecnica| tecnico| inicial)?$"
)
_IS_FEE = re.compile(r"(?:que |e |ja )*(?:abat\w+|descont\w+ (?:n?d?o )?(?:conserto|servico|valor))\b")


def quotes_of(
    sentence: Sentence, number: int, amounts: list[Amount], quoted: set[Decimal]
) -> Iterator[Mention]:
    """Yield the prices of a clause.

    `quoted` has the earlier prices of the message, which are not repeated.
    """
    clause, following = sentence.clauses[number], clause_after(sentence, number)
    # "300, mais 150 de mão de obra"
    text = f"{clause.text} , {following}" if following.startswith(("mais ", "+ ")) else clause.text
    for amount in amounts:
        if amount.value in quoted or (quoted and " + " in clause.text):
            continue  # a price that is said twice, or a part of a total
        total = amount if _PLUS_FEE.search(text) else with_second_part(amount, text)
        quoted.update((amount.value, total.value, total.value - amount.value))
        sort = "rough" if total.sort is None and "depende" in sentence.text else total.sort
        if sort is None and (_NAMES_FEE.search(clause_before(sentence, number)) or _IS_FEE.match(following)):
            sort = "fee"
        yield Mention("price_quoted", "staff", clause.start, clause.end, amount=total.value, sort=sort)
