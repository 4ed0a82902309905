"""A message cut into sentences and clauses, in plain spelling, so that rules need one form of a word.

What belongs here: cutting, spelling, and numbers in words. What does not: what a clause means (rules.py).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from whatsapp_pipeline.domain.summaries.patterns import fold_in_place, spell

_SENTENCE = re.compile(r"[^!?;\n.]*(?:\.(?=[0-9a-z])[^!?;\n.]*)*[!?;\n.]*")
_CUT = re.compile(r",(?!\d)|\b(?:mas|porem|so que|pois)\b|(?<=\w) - |\((?=[^)]* )")
_CLOCK = re.compile(
    r"(?:(?:as|umas|la pelas|pelas|por volta das|ate as) )?\d{1,2}(?:h|:\d\d|h\d\d)| *meio dia"
)
_WORD = re.compile(r"(?<![0-9a-z])[a-z]+")
_SHORT = {
    "d": "de",
    "c": "com",
    "hrs": "horas",
    "mins": "minutos",
    "vamo": "vamos",
    "seg": "segunda",
    "sab": "sabado",
    "vo": "vou",
    "pd": "pode",
    "bele": "beleza",
}
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
}
_ONE = {"um", "uma"}
_NUMBER = re.compile(rf"\b(?:\d+ )?(?:{'|'.join(_UNITS)})(?: (?:e )?(?:{'|'.join(_UNITS)}))*\b")
_OF_TIME = re.compile(r" ?(?:horas?|dias?|semanas?|semaninha|mes(?:es)?|anos?|minut)")


class Clause(NamedTuple):
    """A clause in plain spelling; `start`, `end` are its place in the message."""

    text: str
    start: int
    end: int


class Sentence(NamedTuple):
    """The clauses of a sentence, and whether it asks."""

    clauses: tuple[Clause, ...]
    asks: bool

    @property
    def text(self) -> str:
        """The sentence in plain spelling, with a comma between clauses."""
        return " , ".join(clause.text for clause in self.clauses)


def _spell(match: re.Match[str]) -> str:
    word = match[0]
    return _SHORT.get(word) or spell(word)


def _number(match: re.Match[str]) -> str:
    words = match[0].split()
    following = match.string[match.end() : match.end() + 12]
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


class _Spelled(dict[str, str]):
    """Words between spaces as they are spelled plainly; what is learnt of one is remembered."""

    def __missing__(self, raw: str) -> str:
        spelled = " ".join(_WORD.sub(_spell, raw).replace("c/", "com ").split())
        if len(self) < _MEMO_LIMIT:
            self[raw] = spelled
        return spelled


_MEMO_LIMIT = 300_000
_SPELLED = _Spelled()


def plain(folded: str) -> str:
    """Spell a folded clause as rules expect it: no slang, numbers in digits."""
    words = [_SPELLED[raw] for raw in folded.split()]
    text = " ".join(words)
    return text if _UNITS.keys().isdisjoint(words) else " ".join(_NUMBER.sub(_number, text).split())


def sentences(text: str) -> list[Sentence]:
    """Cut a message into sentences of clauses."""
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
