"""Commitments in one message, found by rules over its clauses.

What belongs here: the patterns of each kind, and the words that cancel a match: questions, denials,
conditions, other people's words and prices. What does not: amounts (amounts.py), dates (when.py) and the
outcome of a commitment (status.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Literal, NamedTuple, TypeAlias

from whatsapp_pipeline.domain.commitments import when
from whatsapp_pipeline.domain.commitments.amounts import Amount, names_work, prices, with_second_part
from whatsapp_pipeline.domain.commitments.clauses import Clause, Sentence, plain, sentences
from whatsapp_pipeline.domain.commitments.phrases import filled, phrase_pattern, trigger
from whatsapp_pipeline.domain.summaries.patterns import fold_in_place, tokenize

Kind: TypeAlias = Literal[
    "price_quoted",
    "deadline_promised",
    "warranty_given",
    "quote_approved",
    "quote_refused",
    "pickup_agreed",
    "payment_announced",
    # These are no commitments. They show that a commitment was kept or broken.
    "said_ready",
    "said_late",
    "said_paid",
    "said_collected",
    # These are no commitments, either: the customer brings the device on a day, has not decided yet, or asks
    # for an answer.
    "said_bringing",
    "said_undecided",
    "said_asks",
    # Remarks of both sides, which summaries/remarks.py reads.
    "said_praises",
    "said_blames",
    "said_sells",
    "said_applies",
    "said_misdirected",
    "said_shops",
    "said_hopeless",
    "said_puts_off",
    "said_corrects",
    "said_reconsiders",
    "said_bids",
    "said_consents",
    "said_device",
    "said_invoice",
    "said_declines",
    "said_visits",
    "said_thanks",
    "said_pending",
    "said_locates",
    "said_frauds",
    "said_receipt",
    "said_forgot",
    "said_lowers",
    "said_waives",
    "said_moves",
    "said_amount",
    "said_number",
    "said_agrees",
    "said_asks_fee",
]
REMARK_KINDS = frozenset(
    {
        *("said_praises", "said_blames", "said_sells", "said_applies", "said_misdirected"),
        *("said_shops", "said_hopeless", "said_puts_off", "said_corrects"),
        *("said_reconsiders", "said_bids", "said_consents", "said_device"),
        *("said_invoice", "said_declines", "said_visits", "said_thanks"),
        *("said_pending", "said_locates", "said_frauds", "said_receipt", "said_forgot"),
        *("said_lowers", "said_waives", "said_moves", "said_amount", "said_number", "said_agrees"),
        "said_asks_fee",
    }
)
EVIDENCE_KINDS = REMARK_KINDS | {
    *("said_ready", "said_late", "said_paid", "said_collected"),
    *("said_bringing", "said_undecided", "said_asks"),
}
Side: TypeAlias = Literal["staff", "customer"]


class Mention(NamedTuple):
    """A mention of a commitment. `amount` is in reais, `due` is a code of when.py, `length` is e.g. `90d`,
    or the name of a device.

    `start`, `end` are the place of the clause in the message. `sort` says of a price that it is a rough one,
    a fee for looking at the device, the total of work that is done or the price of each of several devices;
    of an approval that its words agree to anything ("fechado", "combinado") or to a part of an offer; of a
    refusal that it takes an order back, or calls something off that may be a visit; of a request that it is a
    question. "weak" says of a payment, a pick-up and the news that work is ready that the words alone are
    doubtful: "paguei 90", "pode buscar". "to_come" says of a payment that its words do not say that it was
    made.
    """

    kind: Kind
    side: Side
    start: int
    end: int
    amount: Decimal | None = None
    due: str | None = None
    length: str | None = None
    sort: (
        Literal["rough", "fee", "total", "each", "weak", "part"]
        | Literal["cancel", "called_off", "question", "to_come"]
        | None
    ) = None


# The kinds to which a word may belong, as bits. The clauses of a message without such a word are not read,
# and most messages have none.
_PRICE, _LENGTH, _DUE, _DATE, _FETCHED, _APPROVAL, _REFUSAL, _PAYMENT, _TAKING, _SHOWN, _IF = (
    1 << bit for bit in range(11)
)
_TRIGGERS = (
    (_PRICE, "price"),
    (_LENGTH, "length"),
    (_DUE, "due"),
    (_DATE, "date"),
    (_FETCHED, "fetched"),
    (_APPROVAL, "approval"),
    (_REFUSAL, "refusal"),
    (_PAYMENT, "payment"),
    (_TAKING, "taking"),
    (_SHOWN, "shown"),
    (_IF, "condition"),
)
_CUSTOMER = _APPROVAL | _REFUSAL | _PAYMENT | _TAKING
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


def _bits(words: Iterable[str]) -> int:
    found = 0
    for word in words:
        found |= _BITS[word]
    return found


_CONDITION = phrase_pattern("condition")
_QUESTION_WORD = re.compile(f"^(?:oi |ola |bom dia |boa tarde )?{phrase_pattern('question').pattern}")
_UNDECIDED = phrase_pattern("undecided")

# --- staff
# -----------------------------------------------------------------------------------------------------
_WARRANTY = phrase_pattern("warranty")
_NO_WARRANTY = phrase_pattern("no_warranty")
_IMPLIED_WARRANTY = phrase_pattern("implied_warranty")
# The warranty of a second part: "um ano no compressor e 3 meses no resto".
_OTHER_PART = re.compile(
    r"(?:(?:de garantia |de cobertura |nossa )*(?:n[oa]s?|para|pel[oa]s?|d[oa]s?|em) )?"
    r"(?:\w+ ){0,4}?(?:, |e )"
    r"(?:(?:mas |e )?(?:[oa]s? |n[oa]s? |d[oa]s? |pel[oa]s? )(?:\w+ ){1,4}?(?:tem |com |sao |de |e de )?)?"
)
_PART_ENDS = re.compile(r" (?:n[oa]s?|d[oa]s?|para|pel[oa]s?|em|de garantia)\b|$")
_HAS_LENGTH = re.compile(r"(?:tem|sao|ganha|com|leva) (?:ate )?$")
_DONE = phrase_pattern("done")
_NOT_DONE = phrase_pattern("not_done")
_FETCH = phrase_pattern("fetch")
_NO_FETCH = phrase_pattern("no_fetch")

_READY = phrase_pattern("ready")
_LATE = phrase_pattern("late")
_RECEIVED = phrase_pattern("received")
_COLLECTED = phrase_pattern("collected")
_COLLECTED_MYSELF = phrase_pattern("collected_myself")
_NO_COLLECTED = phrase_pattern("no_collected")

# --- customer
# --------------------------------------------------------------------------------------------------
_APPROVED = phrase_pattern("approved")
_NO_APPROVAL = phrase_pattern("no_approval")
_REFUSED = phrase_pattern("refused")
_NO_REFUSAL = phrase_pattern("no_refusal")
_PAID = phrase_pattern("paid")
_NOT_PAID = phrase_pattern("not_paid")
_PICKUP = phrase_pattern("pickup")
_NO_PICKUP = phrase_pattern("no_pickup")
_BRINGING = phrase_pattern("bringing")
_NO_BRINGING = phrase_pattern("no_bringing")
_PUT_OFF = phrase_pattern("put_off")
_COMES = phrase_pattern("comes")


def read_commitments(text: str, forms: Sequence[str] | None = None) -> tuple[Mention, ...]:
    """Return two lists of mentions in a message: if staff wrote it, and if the customer wrote it.

    `forms` are the tokens of the message, if the caller has them.
    """
    bits = _bits(tokenize(text) if forms is None else forms)
    staff = bits & (_PRICE | _LENGTH | _SHOWN) or (bits & (_DUE | _FETCHED) and bits & (_DATE | _FETCHED))
    if not staff and not bits & _CUSTOMER:
        return ()
    found = sentences(text)
    mentions: list[Mention] = []
    if staff:
        mentions += _one_offer(list(_of_staff(text, found, bits)), text, found)
    if bits & _CUSTOMER:
        mentions += _of_customer(found)
    return tuple(mentions)


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


def _one_offer(mentions: list[Mention], text: str, found: Sequence[Sentence]) -> list[Mention]:
    """Drop the prices of a message that its last price replaces, because that one is their sum or a lower
    price.

    "180 cada, os dois 320"; "o conector fica 120, pra você faço 90".
    """
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


def _asked(sentence: Sentence, number: int) -> bool:
    """Return whether a clause is part of a question. In "fica 350, pode ser?" only the end is a question."""
    if not sentence.asks:
        return False
    if number == len(sentence.clauses) - 1:
        return not _TAG.search(sentence.clauses[number].text)
    return bool(_QUESTION_WORD.search(sentence.text))


# "fica 210 tá bom?" states and then asks for consent.
_TAG = re.compile(r"\b(?:esta bom|esta certo|esta ok|ok|viu|esta)$|\bpode ser$")


_READY_NOW = re.compile(
    r"(?:ja |esta |olha )*(?:pront(?:o|a|inho|inha)|finalizad[oa]) (?:e testad[oa] )?(?:ja )?"
    r"pode (?:vir |passar )?(?:buscar|retirar|pegar)\b"
)


def _of_staff(message: str, found: list[Sentence], triggers: int) -> Iterator[Mention]:
    """Yield the mentions in a message of the staff: each price once, and one deadline per device."""
    dated = False
    quoted: set[Decimal] = set()
    for sentence in found:
        warranties = _warranties(sentence) if _bits(sentence.text.split()) & _LENGTH else []
        yield from warranties
        priced = False
        for number, clause in enumerate(sentence.clauses):
            if _asked(sentence, number):
                continue
            bits = _bits(clause.text.split())
            amounts: list[Amount] = []
            if bits & _PRICE:
                in_words = not any(char.isdigit() for char in message[clause.start : clause.end])
                follows = priced or names_work(_before(sentence, number))
                amounts = prices(clause.text, follows_price=follows, in_words=in_words)
            priced = priced or bool(amounts)
            for quote in _quotes(sentence, number, amounts, quoted):
                yield quote._replace(sort=None) if quote.sort == "total" and _waits(found) else quote
            if not dated and bits & (_DUE | _FETCHED | _DATE) and triggers & (_DATE | _FETCHED):
                promised = _promise(sentence, number, warranties)
                if promised:
                    dated = True
                    yield promised
                    if promised.kind == "deadline_promised":
                        yield from _of_other_devices(sentence, number, promised)
                    continue
            if shown := _shown(clause, bits):
                yield shown


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


def _waits(found: Sequence[Sentence]) -> bool:
    """Return whether a message asks for consent. "ficou em 350" is then a quote, not a total."""
    if any(_READY.search(clause.text) for sentence in found for clause in sentence.clauses):
        return False
    return any(
        (sentence.asks and _ASKS_CONSENT.search(sentence.text)) or _AWAITS_CONSENT.search(sentence.text)
        for sentence in found
    )


def _before(sentence: Sentence, number: int) -> str:
    return sentence.clauses[number - 1].text if number else ""


def _following(sentence: Sentence, number: int) -> str:
    return sentence.clauses[number + 1].text if number + 1 < len(sentence.clauses) else ""


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


def _quotes(
    sentence: Sentence, number: int, amounts: list[Amount], quoted: set[Decimal]
) -> Iterator[Mention]:
    """Yield the prices of a clause.

    `quoted` has the earlier prices of the message, which are not repeated.
    """
    clause, following = sentence.clauses[number], _following(sentence, number)
    # "300, mais 150 de mão de obra"
    text = f"{clause.text} , {following}" if following.startswith(("mais ", "+ ")) else clause.text
    for amount in amounts:
        if amount.value in quoted or (quoted and " + " in clause.text):
            continue  # a price that is said twice, or a part of a total
        total = amount if _PLUS_FEE.search(text) else with_second_part(amount, text)
        quoted.update((amount.value, total.value, total.value - amount.value))
        sort = "rough" if total.sort is None and "depende" in sentence.text else total.sort
        if sort is None and (_NAMES_FEE.search(_before(sentence, number)) or _IS_FEE.match(following)):
            sort = "fee"
        yield Mention("price_quoted", "staff", clause.start, clause.end, amount=total.value, sort=sort)


def _warranties(sentence: Sentence) -> list[Mention]:
    """Return the warranties of a sentence: one, or one per part that is named with its own length."""
    if _asked(sentence, len(sentence.clauses) - 1):
        return []
    for clause in sentence.clauses:
        if first := _warranty_length(clause.text):
            found = [first, *_of_other_parts(sentence.text, first.code)]
            return [_given(length.code, clause, clause) for length in found]
    text, first_clause, last = sentence.text, sentence.clauses[0], sentence.clauses[-1]
    length = _warranty_length(text)
    if length is None and _IMPLIED_WARRANTY.search(text):
        length = next((it for it in when.lengths(text) if it.code != "1d"), None)
    if length:
        return [_given(length.code, first_clause, last)]
    # "o vidro não tem garantia, mas o toque tem 90 dias"
    named = _WARRANTY.search(text)
    if named:
        for clause in sentence.clauses[1:]:
            for it in when.lengths(clause.text):
                if _HAS_LENGTH.search(clause.text[: it.start]) and it.end == len(clause.text):
                    return [_given(it.code, clause, clause)]
    return []


def _given(length: str, first: Clause, last: Clause) -> Mention:
    return Mention("warranty_given", "staff", first.start, last.end, length=length)


def _warranty_length(text: str) -> when.Length | None:
    """Return the length that is closest to a word of warranty."""
    named = list(_WARRANTY.finditer(text))
    found = when.lengths(text) if named and not _NO_WARRANTY.search(text) else []
    if not found:
        return None

    def distance(it: when.Length) -> int:
        return min(min(abs(it.start - name.end()), abs(name.start() - it.end)) for name in named)

    return min(found, key=distance)


def _of_other_parts(text: str, first: str) -> list[when.Length]:
    """Return the lengths after the first in a list of parts, up to a length of something else."""
    found = when.lengths(text)
    at = next((number for number, it in enumerate(found) if it.code == first), len(found))
    others = []
    for before, it in zip(found[at:], found[at + 1 :], strict=False):
        between = text[before.end : it.start].lstrip()
        if not _OTHER_PART.fullmatch(between) or not _PART_ENDS.match(text[it.end :]) or it.code == first:
            break
        others.append(it)
    return others


def _promise(sentence: Sentence, number: int, warranties: Sequence[Mention]) -> Mention | None:
    """Return the deadline or pick-up that is promised by a clause, alone or together with the next clause."""
    clause = sentence.clauses[number]
    if _CONDITION.search(clause.text) or _CONDITION.search(_before(sentence, number)):
        return None
    if _READY_NOW.match(clause.text):  # "prontinho, pode retirar até 18h"
        return None
    if fetched := _fetch(clause):
        return fetched
    following = _following(sentence, number)
    lengths = {warranty.length for warranty in warranties}
    due = _deadline(clause.text, following, lengths)
    return Mention("deadline_promised", "staff", clause.start, clause.end, due=due) if due else None


_OTHER_DEVICE = re.compile(
    rf"(?:^|\be )(?:(?:[oa]s?|seu|sua|meu|minha|ja|e) )*{filled('{device}')} (?:\w+ ){{0,3}}"
)
_NO_VERB = re.compile(r"\b(?:nao|fech\w+|abr\w+|cheg\w+|visita|garantia|pag\w+)\b")


def _of_other_devices(sentence: Sentence, number: int, first: Mention) -> Iterator[Mention]:
    """Yield the deadlines of further devices: "o notebook sai na segunda e a impressora na terça"."""
    for place, clause in enumerate(sentence.clauses[number : number + 3]):
        for named in list(_OTHER_DEVICE.finditer(clause.text))[1 if place == 0 else 0 :]:
            rest = clause.text[named.start() :]
            found = when.dates(rest)
            if found and found[0].code != first.due and not _NO_VERB.search(rest):
                yield Mention("deadline_promised", "staff", clause.start, clause.end, due=found[0].code)


_FETCHER = re.compile(r"\b(?:motoboy|rapaz|equipe|transportadora|entregador|coleta|na sua casa|ai)\b")
_DATE_FOLLOWS = re.compile(
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
    if not found and _DATE_FOLLOWS.match(following) and _STRONG.search(text):
        if not _DONE.search(following) and not _NOT_DONE.search(following):
            found = _dates_of_work(following, warranties)
    elif found and "@" not in found[0].code and _ONLY_TIME.fullmatch(following):
        found = when.dates(f"{text} as {re.sub(r'^[a-z ]+', '', following)}")
    if not found and _STRONG.search(text) and (clock := when.clock(text)):  # "até as 18h fica pronto"
        return clock
    if not found:
        return None
    closest = min(found, key=lambda it: min(abs(it.start - verb.end()), abs(verb.start() - it.end)))
    vague = closest.code == "t0" and not _OF_TODAY.search(text)  # "agora", "mais tarde"
    return None if vague or _is_too_long(closest.code) else closest.code


# The longest work in hours or minutes. More is how long a part lasts: "umas 2 mil horas".
_LONGEST = {"h": 72, "m": 600}


def _is_too_long(code: str) -> bool:
    """Return whether a duration in hours or minutes is too long for a deadline."""
    number = code.partition("@")[0][1:]
    return code[0] in _LONGEST and number.isdigit() and int(number) > _LONGEST[code[0]]


_READY_ITSELF = re.compile(
    r"\b(?:pront\w+|finaliz\w+|conclu\w+|termin\w+|consertad\w+|liberad\w+|disponivel|testad\w+)\b"
)


# "Ficaram prontos", "também está pronto": of all that the customer left.
_ALL = re.compile(r"\b(?:prontos|prontas|prontinhos|prontinhas|ambos|ambas|os dois|as duas|tudo|tambem)\b")


def _shown(clause: Clause, bits: int) -> Mention | None:
    """Return evidence in a clause of staff about an earlier commitment: ready, late, paid."""
    text, place = clause.text, (clause.start, clause.end)
    if bits & (_DUE | _SHOWN) and _LATE.search(text):
        return Mention("said_late", "staff", *place)
    if (
        bits & _PAYMENT
        and _RECEIVED.search(text)
        and not re.search(r"\b(?:nao|aguard\w+|assim que|quando)\b", text)
    ):
        return Mention("said_paid", "staff", *place)
    if bits & (_DUE | _TAKING) and not re.search(r"\b(?:nao|quando|assim que|se|te aviso|aviso)\b", text):
        if _COLLECTED.search(text) and not _NO_COLLECTED.search(text):
            handed = "handed" if "entreg" in text else None
            return Mention("said_collected", "staff", *place, length=handed)
        if (
            _READY.search(text)
            and not re.search(r"\b(?:orcamento|avaliacao|laudo)\b", text)
            # "na quinta ela tá pronta" promises.
            and all(date.code[:2] == "t0" for date in when.dates(text))
        ):
            # "Pode buscar" may be about a device that was not repaired.
            weak: Literal["weak"] | None = None if _READY_ITSELF.search(text) else "weak"
            return Mention("said_ready", "staff", *place, length=_ALL.search(text) and "all", sort=weak)
    return None


def _dates_of_work(text: str, warranties: set[str | None]) -> list[when.When]:
    """Return the dates of a clause that are not the length of a warranty."""
    found = when.dates(text)
    if not warranties or not found:
        return found
    taken = [it for it in when.lengths(text) if it.code in warranties]
    return [it for it in found if not any(it.start < other.end and other.start < it.end for other in taken)]


def _of_customer(found: list[Sentence]) -> Iterator[Mention]:
    """Yield the mentions in a message of the customer, at most one of each kind."""
    kinds: dict[Kind, Mention] = {}
    offered: Mention | None = None  # "quarta está bom para eu pegar? então combinado"
    for sentence in found:
        unsure = False
        for number, clause in enumerate(sentence.clauses):
            bits = _bits(clause.text.split())
            unsure = unsure or bool(bits & _IF and _CONDITION.search(clause.text))
            is_open = unsure or _asked(sentence, number)
            is_open = is_open or bool(sentence.asks and _QUESTION_WORD.search(clause.text))
            if not is_open and (later := _comes_later(sentence, number)):
                kinds["pickup_agreed"] = later
            if not bits & _CUSTOMER and not offered:
                continue
            if is_open:
                # A condition is no offer: "se der eu passo quarta".
                offered = offered or (None if unsure else next(_taken(clause, "", bits), None))
                continue
            if offered and offered.due and _SETTLED.search(clause.text):
                kinds.setdefault(offered.kind, offered)
            for mention in _said(clause, _following(sentence, number), bits, found):
                if mention.kind == "pickup_agreed" and mention.due is None and not kinds:
                    mention = _dated(mention, _before(sentence, number))  # noqa: PLW2901  # the same mention with its date
                known = kinds.get(mention.kind)
                if known is None or (known.due is None and mention.due is not None):
                    kinds[mention.kind] = mention
    yield from _without_contradiction(kinds, found)


def _comes_later(sentence: Sentence, number: int) -> Mention | None:
    """Return the new day of a postponed visit: "não consegui ir hoje, vou amanhã"."""
    clause = sentence.clauses[number]
    if not _PUT_OFF.search(_before(sentence, number)) or not _COMES.search(clause.text):
        return None
    dates = when.dates(clause.text)
    due = dates[0].code.partition("@")[0] if dates else None
    return Mention("pickup_agreed", "customer", clause.start, clause.end, due=due)


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


def _without_contradiction(kinds: dict[Kind, Mention], found: list[Sentence]) -> Iterator[Mention]:
    """Yield the mentions of a message.

    A refusal cancels an approval. Without both, the customer may be undecided.
    """
    approved = kinds.get("quote_approved")
    if "quote_refused" in kinds and (approved is None or approved.sort != "part"):
        kinds.pop("quote_approved", None)
    if kinds.keys().isdisjoint({"quote_approved", "quote_refused"}) and _is_undecided(found):
        first, last = found[0].clauses[0], found[-1].clauses[-1]
        kinds["said_undecided"] = Mention("said_undecided", "customer", first.start, last.end)
    yield from kinds.values()


def _dated(mention: Mention, before: str) -> Mention:
    """Return a pick-up with the date of the clause before it: "combinado amanhã, meu esposo retira"."""
    dates = when.dates(before)
    return mention._replace(due=dates[-1].code.partition("@")[0]) if dates else mention


_WANTS_ELSE = re.compile(
    r"(?:e |eu |so )*(?:quero|queria|gostaria|preciso) (?!cancelar|desistir|de volta|buscar|pegar|retirar"
    r"|(?:d?[oa]s? |me[ua]s? |minhas? |todo )*(?:sinal|dinheiro|entrada|valor|grana|\d+)\b)"
)
_SETTLED = re.compile(r"\b(?:combinado|fechado|fechou|marcado|entao vou|entao passo|vou (?:hoje|amanha))\b")
_AGREED = re.compile(r"fechou|combinado|bora")


def _is_undecided(found: list[Sentence]) -> bool:
    """Return whether the customer decides later: "vou pensar"."""
    return any(_UNDECIDED.search(sentence.text) for sentence in found)


def _decision(text: str, following: str, bits: int) -> Kind | None:
    """Return the decision on a quote in a clause."""
    if bits & _REFUSAL and _REFUSED.search(text) and not _NO_REFUSAL.search(text):
        # "não quero trocar a placa, quero saber se dá pra recuperar"
        return None if _WANTS_ELSE.match(following) else "quote_refused"
    if bits & _APPROVAL and _ONLY_A_PART.search(text) and not _NO_APPROVAL.search(text):
        return "quote_approved"
    if bits & _APPROVAL and _APPROVED.search(text) and not _NO_APPROVAL.search(text):
        # "fechou, vou pegar quinta"
        return None if _AGREED.fullmatch(text) and _PICKUP.search(following) else "quote_approved"
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


def _sort_of(decision: Kind, text: str) -> Literal["weak", "part", "cancel", "called_off"] | None:
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
    decision = _decision(text, following, bits) if bits & (_REFUSAL | _APPROVAL) else None
    if decision and not _is_undecided(found):
        yield Mention(decision, "customer", *place, sort=_sort_of(decision, text))
    if bits & _PAYMENT and _PAID.search(text) and not _NOT_PAID.search(text):
        dates = when.dates(text) if not re.search(r"\b(?:ja|acabei|ontem|fei(?:to|ta)|\w+ei)\b", text) else []
        due = dates[0].code.partition("@")[0] if dates else None
        doubt: Literal["weak"] | None = None if _MEANS_OF_PAYMENT.search(text) else "weak"
        made = _IS_PAID.search(text) and not _WILL_PAY.search(text)
        yield Mention("payment_announced", "customer", *place, due=due, sort=doubt if made else "to_come")
    yield from _taken(clause, following, bits)


def _collected(text: str, bits: int) -> bool:
    """Return whether a clause of the customer reports that the device was collected."""
    if not bits & _TAKING or "nao" in text.split() or _NO_COLLECTED.search(text):
        return False
    return bool(_COLLECTED.search(text) or _COLLECTED_MYSELF.search(text))


_TAKES = re.compile(r"\b(?:busc|peg|retir|apanh|recolh|colet|lev|tir[aoe]|carreg)")


def _taken(clause: Clause, following: str, bits: int) -> Iterator[Mention]:
    """Yield the mentions of a pick-up in a clause of the customer."""
    text, place = clause.text, (clause.start, clause.end)
    if bits & _TAKING and (taken := _PICKUP.search(text)) and not _NO_PICKUP.search(text):
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
        dates = when.dates(text) or (when.dates(following) if _DATE_FOLLOWS.match(following) else [])
        if dates and dates[0].code[0] not in "db":  # "um dia que der" names no day
            yield Mention("said_bringing", "customer", *place, due=dates[0].code.partition("@")[0])
