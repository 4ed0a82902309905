"""Splitting a message into sentences and clauses with standard spelling, so that rules need only one form of
a word.

What belongs here: splitting, spelling, and numbers in words. What does not: the meaning of a clause
(the modules `*_rules`).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from whatsapp_pipeline.domain.commitments.phrases import needed_words, short_forms
from whatsapp_pipeline.domain.summaries.patterns import NUM_DENIES, fold_in_place, standard_form

_SENTENCE = re.compile(r"[^!?;\n.]*(?:\.(?=[0-9a-z])[^!?;\n.]*)*[!?;\n.]*")
_CUT = re.compile(r",(?!\d)|\b(?:mas|porem|so que|pois)\b|(?<=\w) - |\((?=[^)]* )")
_CLOCK = re.compile(
    r"(?:(?:as|umas|la pelas|pelas|por volta das|ate as) )?\d{1,2}(?:h|:\d\d|h\d\d)| *meio dia"
)
_WORD = re.compile(r"(?<![0-9a-z])[a-z]+")
_UNITS = {
    "um": 1,
    "uma": 1,
    "dois": 2,
    "duas": 2,
    "tres": 3,
    "quatro": 4,
    "cinco": 5,
    "seis": 6,
    "sete": 7,
    "oito": 8,
    "nove": 9,
    "dez": 10,
    "onze": 11,
    "doze": 12,
    "treze": 13,
    "quatorze": 14,
    "catorze": 14,
    "quinze": 15,
    "dezesseis": 16,
    "dezessete": 17,
    "dezoito": 18,
    "dezenove": 19,
    "vinte": 20,
    "trinta": 30,
    "quarenta": 40,
    "cinquenta": 50,
    "sessenta": 60,
    "setenta": 70,
    "oitenta": 80,
    "noventa": 90,
    "cem": 100,
    "cento": 100,
    "duzentos": 200,
    "trezentos": 300,
    "quatrocentos": 400,
    "quinhentos": 500,
    "seiscentos": 600,
    "setecentos": 700,
    "oitocentos": 800,
    "novecentos": 900,
    "mil": 1000,
    "vintinho": 20,
    "trintinha": 30,
    "quarentinha": 40,
    "cinquentinha": 50,
    "cinquentao": 50,
    "sessentinha": 60,
    "setentinha": 70,
    "oitentinha": 80,
    "noventinha": 90,
    "centao": 100,
    "duzentinho": 200,
    "trezentinho": 300,
}
_ONE = {"um", "uma"}
_NUMBER = re.compile(rf"\b(?:\d+ )?(?:{'|'.join(_UNITS)})(?: (?:e )?(?:{'|'.join(_UNITS)}))*\b")
_OF_TIME = re.compile(r" ?(?:horas?|dias?|semanas?|semaninha|mes(?:es)?|anos?|minut)")


class Clause(NamedTuple):
    """A clause in standard spelling. `start` and `end` are its position in the message."""

    text: str
    start: int
    end: int


class Sentence(NamedTuple):
    """The clauses of a sentence, and whether the sentence is a question."""

    clauses: tuple[Clause, ...]
    asks: bool

    @property
    def text(self) -> str:
        """The sentence in plain spelling, with a comma between clauses."""
        return " , ".join(clause.text for clause in self.clauses)


def _one_letter_less(word: str) -> set[str]:
    """Return the forms of the word without one of its inner letters."""
    return {word[:at] + word[at + 1 :] for at in range(1, len(word) - 1)}


_KNOWN = needed_words()
_LETTER_LESS = {short: word for word in _KNOWN if len(word) > 6 for short in _one_letter_less(word)}
_SHORT = short_forms()


def _mended(word: str) -> str:
    """Return the corrected word if it was mistyped, otherwise the word itself.

    The first and the last letter must be equal, so that another tense or person is not treated as a typing
    error.
    """
    if word in _KNOWN or len(word) < 5:
        return word
    if word.endswith("u") and f"{word[:-1]}o" in _KNOWN:  # "prontu"
        return f"{word[:-1]}o"
    for at in range(1, len(word) - 2):
        swapped = f"{word[:at]}{word[at + 1]}{word[at]}{word[at + 2 :]}"
        if swapped in _KNOWN:
            return swapped
    ending = word[-3:]
    if (less := _LETTER_LESS.get(word)) and less.endswith(ending[1:]):
        return less
    return next((one for one in _one_letter_less(word) if one in _KNOWN and one.endswith(ending)), word)


def _spell(match: re.Match[str]) -> str:
    word = match[0]
    return _SHORT.get(word) or _mended(standard_form(word))


def _number(match: re.Match[str]) -> str:
    words = match[0].split()
    following = match.string[match.end() : match.end() + 12]
    if words[0].isdigit() and words[1] != "mil":
        return match[0]  # "150 uma nova"
    if len(words) == 1 and words[0] in _ONE and not _OF_TIME.match(following):
        return match[0]
    total, group = 0, 0
    for word in words:
        if word.isdigit():
            group += int(word)
        elif word == "mil":
            total, group = total + 1000 * (group or 1), 0
        elif word != "e":
            group += _UNITS[word]
    return str(total + group)


# "1,5 mil", "2k"; "90 (noventa) dias"; "meio ano".
_THOUSANDS = re.compile(r"(?<![\d.,])(\d{1,2})(?:[.,](\d))? ?(?:k|mil)\b")
_TWICE = re.compile(r"\b(\d+) ?\([a-z ]+\)(?= (?:dias|mes|ano|reais|semana|hora))")
# "vo paga", "vou busca": an infinitive as it is spoken.
_INFINITIVE = re.compile(
    r"(?<!\w)((?:vou|vamos|vai|quero|irei|vou la|vou ai|vou nem) "
    r"(?:paga|busca|pega|compra|faze|arruma|troca|conserta|retira|manda|deixa|leva|passa|fecha|aprova|autoriza|termina|entrega|fica|resolve|transferi|deposita|quere|"
    r"acerta|cancela|desisti|recolhe|libera))(?!\w)"
)
_NUM_FOR_NAO = re.compile(rf"\bnum(?= (?:{'|'.join(sorted(NUM_DENIES))})\b)")
# "5a feira", "5ª".
_ORDINAL = re.compile(r"\b([2-6]) ?(?:a|ª)?[ -]?feira")
_WEEKDAYS = {2: "segunda", 3: "terca", 4: "quarta", 5: "quinta", 6: "sexta"}
_HALVES = {"meio ano": "6 meses", "1 ano e meio": "18 meses"}
_HALF = re.compile("|".join(rf"\b{half}\b" for half in _HALVES))


_DIGIT = re.compile(r"\d")
_COUNTS = frozenset(_UNITS) | {"meio"}
_GOING = frozenset({"vou", "vamos", "vai", "quero", "irei", "num"})


def _thousands(match: re.Match[str]) -> str:
    return f"{match[1]}{match[2] or 0}00"


class _Spelled(dict[str, str]):
    """Cache of words and their standard forms."""

    def __missing__(self, raw: str) -> str:
        spelled = " ".join(_WORD.sub(_spell, raw).replace("c/", "com ").split())
        if len(self) < _MEMO_LIMIT:
            self[raw] = spelled
        return spelled


_MEMO_LIMIT = 300_000
_SPELLED = _Spelled()


def plain(folded: str) -> str:
    """Rewrite a folded clause in the form that rules expect: no slang, numbers in digits."""
    words = [_SPELLED[raw] for raw in folded.split()]
    text = " ".join(words)
    # Most clauses have neither a number nor a verb of movement, and most patterns need one of them.
    if _DIGIT.search(text):
        text = _TWICE.sub(r"\1", _THOUSANDS.sub(_thousands, text))
        text = _ORDINAL.sub(lambda match: _WEEKDAYS[int(match[1])], text)
    if not _COUNTS.isdisjoint(words):
        text = " ".join(_NUMBER.sub(_number, text).split())
        text = _HALF.sub(lambda match: _HALVES[match[0]], text)
    if not _GOING.isdisjoint(words):
        text = _INFINITIVE.sub(r"\1r", _NUM_FOR_NAO.sub("nao", text))
    return text


def sentences(text: str) -> list[Sentence]:
    """Split a message into sentences of clauses."""
    folded = fold_in_place(text)
    found = []
    for sentence in _SENTENCE.finditer(folded):
        body = sentence[0].rstrip("!?;\n. ")
        if not body.strip():
            continue
        clauses: list[Clause] = []
        start = sentence.start()
        cuts = [(cut.start(), cut.end()) for cut in _CUT.finditer(body)]
        for cut_start, cut_end in [*cuts, (len(body), len(body))]:
            piece = folded[start : sentence.start() + cut_start]
            if words := plain(piece):
                stop = sentence.start() + cut_start
                if clauses and _CLOCK.fullmatch(words):  # "sexta, 11h, pode vir"
                    last = clauses.pop()
                    words, start = f"{last.text} {words}", last.start
                clauses.append(Clause(words, start, stop))
            start = sentence.start() + cut_end
        if clauses:
            found.append(Sentence(tuple(clauses), "?" in sentence[0][len(body) :]))
    return found
