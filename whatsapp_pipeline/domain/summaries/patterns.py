"""Matching words and phrases of a rule file with the tokens of a message.

What belongs here: splitting a message into normalised tokens, and finding patterns (`stem*`, `a|b`, `...`,
`$`) in them. What does not: the meaning of a match (sentiment.py, topics.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

# One letter for one letter, so that positions in the folded text are positions in the original.
_FOLD = str.maketrans("áàâãäåéèêëíìîïóòôõöúùûüçñýÿ", "aaaaaaeeeeiiiiooooouuuucnyy")
_TOKEN = re.compile(
    r"d\+|[:=;]-?[()d/]|:'\(|[()]:|<3"  # slang and typed smileys
    r"|10/10|[a-z0-9\u0300-\u036f]+"
    r"|[.,;!?\n]+"
    r"|[^\s\x00-\x7f\ufe0e\ufe0f\u200d\U0001f3fb-\U0001f3ff\u0300-\u036f“”‘’–—«»…·•ºª]"  # emoji
)
_COMBINING = re.compile(r"[\u0300-\u036f]")
_ELONGATED = re.compile(r"([a-z])\1{2,}")
_LAUGHTER = re.compile(r"k{2,}|(?:ha){2,}h?|(?:he){2,}|(?:rs)+s?|(?:hua){1,}|(?:hau)+|(?:ks)+|a?hah?a+h?a*")
# word = its variants in chats
_SPELLINGS = """
    nao=n,nn,naum,ñ voce=vc,ce voces=vcs,ces muito=mt,mto,muinto,mtu,mui muita=mta muitos=mtos
    muitas=mtas porque=pq que=q,oq tambem=tb,tbm tudo=td todos=tds beleza=blz
    obrigado=obg,obgd,brigado,brigadao,brigaduu obrigada=obgda,brigada valeu=vlw,vlww mesmo=msm hoje=hj
    quando=qdo,qnd,qndo,qd quanto=qto,qnt,qnto,qts quantos=qtos,qntos quantas=qtas para=pra,pro,p,pras,pros
    esta=ta,tah estou=to,tou estava=tava e=eh comigo=cmg denovo=dnv depois=dps agora=agr amigo=amg
    favor=pfv,pf,pfvr demais=d+,dms verdade=vdd gente=gnt ninguem=ngm nada=nd pessimo=pecimo
    excelente=exelente,ecelente,excelete otimo=otmo horrivel=horivel,orrivel descaso=discaso
    recomendo=recomeno,recumendo conserto=concerto consertar=concertar consertaram=concertaram
    problema=probleminha,pobrema,prob orcamento=orcamneto,orc atendimento=atendimeto,atend beijos=bjs
    nunca=nunk,nuca achei=axei coisa=koisa celular=cel notebook=note tecnico=tec hora=hr horas=hrs valor=vlr
    servico=serv rapido=rapidao problemas=probs deixa=dxa,dexa outro=otro outra=otra nos=nois faz=fas,fais
"""
_MISSPELLED = {
    written: word
    for word, _, spellings in (entry.partition("=") for entry in _SPELLINGS.split())
    for written in spellings.split(",")
}
# Before these words "num" means "não" ("num vou"). Before other words it means "em um" ("num golpe").
_VERBS_AFTER_NUM = """
    vou vai vamos vao quero quer queria posso pode podem consigo consegui sei sabia tem tenho tinha da deu faz
    fez fiz precisa preciso compensa gostei gosto liga ligou funciona funcionou resolveu resolveram entendi
    presta prestou recebi chegou veio ficou fica foi responde respondem esta estou e era vi paguei fui aceito
    autorizo carrega pega abre me se
"""
NUM_DENIES = frozenset(_VERBS_AFTER_NUM.split())
GAP = "..."
_GAP_WORDS = 3
SENTENCE_END = frozenset(".!?;\n")
# The last element of a pattern. It matches the end of a statement or of its clause, but not of a question.
STATEMENT_END = "$"
_ENDS_STATEMENT = frozenset(".!;,\n")
_MEMO_LIMIT = 300_000


def fold_in_place(text: str) -> str:
    """Lower-case and strip accents, keeping every position; combining marks stay for `tokenize` to drop."""
    lowered = text.lower()
    if len(lowered) != len(text):  # a rare letter whose lower case is two characters
        lowered = "".join(low if len(low := char.lower()) == 1 else char for char in text)
    return lowered if lowered.isascii() else lowered.translate(_FOLD)


def _normalize(raw: str) -> str:
    """Undo elongation, slang and laughter of one folded token."""
    if not raw[0].isalnum():
        # The strongest punctuation decides: "?!" is a question, "..." is an end.
        return next((mark for mark in "?!\n;.," if mark in raw), raw) if raw[0] in ".,;!?\n" else raw
    word = _COMBINING.sub("", raw) if not raw.isascii() else raw
    if word in _MISSPELLED:
        return _MISSPELLED[word]
    if len(word) > 2 and _LAUGHTER.fullmatch(word):
        return "haha"
    word = _ELONGATED.sub(r"\1", word)
    return _MISSPELLED.get(word, word)


class _Forms(dict[str, str]):
    def __missing__(self, raw: str) -> str:
        form = _normalize(raw)
        if len(self) < _MEMO_LIMIT:
            self[raw] = form
        return form


_FORMS = _Forms()


def standard_form(word: str) -> str:
    """Return the standard spelling of a folded word, without slang and elongation."""
    return _FORMS[word]


def tokenize(text: str) -> list[str]:
    """Cut a message into words, marks and emoji, each in its normalized form."""
    forms = _FORMS
    found = [forms[raw] for raw in _TOKEN.findall(fold_in_place(text))]
    if "num" in found:
        for at, following in enumerate(found[1:]):
            if found[at] == "num" and following in NUM_DENIES:
                found[at] = "nao"
    return found


def place(text: str, first: int, last: int) -> tuple[int, int]:
    """Return the start and end of the tokens `first` to `last` in `text`."""
    # Positions are computed only for messages that need them.
    found = list(islice(_TOKEN.finditer(fold_in_place(text)), first, last + 1))
    return found[0].start(), found[-1].end()


def words_of(text: str) -> list[str]:
    """Cut a phrase of a rule file into normalized words."""
    return tokenize(text)


class _Element(NamedTuple):
    exact: frozenset[str]
    stems: tuple[str, ...]

    def fits(self, form: str) -> bool:
        return form in self.exact or (bool(self.stems) and form.startswith(self.stems))


def _element(alternatives: str) -> _Element:
    exact, stems = set(), []
    for part in alternatives.split("|"):
        if part.endswith("*"):
            stems.append("".join(words_of(part[:-1])) if len(part) > 3 else part[:-1])
        else:
            exact.add("".join(words_of(part)) or part)
    return _Element(frozenset(exact), tuple(stems))


class Pattern(NamedTuple):
    """One entry of a rule file: its elements (None is a gap) and its value."""

    elements: tuple[_Element | None, ...]
    payload: int

    def match(self, forms: list[str], at: int) -> int | None:
        """Return where the match that starts at `at` ends, or None."""
        if len(self.elements) == 3 and self.elements[1] is None:
            return self._match_after_gap(forms, at + 1)
        return self._match(forms, at + 1, 1)

    def _match_after_gap(self, forms: list[str], at: int) -> int | None:
        """Match the common pattern `first ... last`, with no call for each word of the gap."""
        last = self.elements[2]
        assert last is not None  # parse_pattern refuses it
        exact, stems = last
        for start in range(at, min(at + _GAP_WORDS + 1, len(forms))):
            form = forms[start]
            if form in exact or (stems and form.startswith(stems)):
                return start + 1
            if form in SENTENCE_END:
                return None
        return None

    def _match(self, forms: list[str], at: int, element_number: int) -> int | None:
        if element_number == len(self.elements):
            return at
        element = self.elements[element_number]
        if element is None:
            for start in range(at, min(at + _GAP_WORDS + 1, len(forms))):
                end = self._match(forms, start, element_number + 1)
                if end is not None:
                    return end
                if forms[start] in SENTENCE_END:
                    return None
            return None
        if at < len(forms) and element.fits(forms[at]):
            return self._match(forms, at + 1, element_number + 1)
        ends = STATEMENT_END in element.exact and (at == len(forms) or forms[at] in _ENDS_STATEMENT)
        return at if ends else None


def parse_pattern(text: str, payload: int) -> Pattern:
    """Read one pattern; raises ValueError when it is empty or starts with a gap."""
    elements = tuple(None if part == GAP else _element(part) for part in text.split())
    if not elements or elements[0] is None or elements[-1] is None:
        raise ValueError(f"pattern {text!r}: expected words, with ... only between them")
    places = [at for at, element in enumerate(elements) if element and STATEMENT_END in element.exact]
    if places and (places != [len(elements) - 1] or len(elements) < 3 or elements[-2] is None):
        raise ValueError(f"pattern {text!r}: expected {STATEMENT_END} last, after two words")
    return Pattern(elements, payload)


class Matcher:
    """Finds the patterns that may start at a word, with a cache by word."""

    def __init__(self, patterns: Iterable[Pattern]) -> None:
        self._exact: dict[str, list[Pattern]] = {}
        self._stems: dict[str, list[Pattern]] = {}
        for pattern in patterns:
            first = pattern.elements[0]
            assert first is not None  # parse_pattern refuses it
            for word in first.exact:
                self._exact.setdefault(word, []).append(pattern)
            for stem in first.stems:
                self._stems.setdefault(stem, []).append(pattern)
        self._longest = max(map(len, self._stems), default=0)
        self._memo: dict[str, tuple[Pattern, ...]] = {}
        self._pairs: dict[tuple[str, str], tuple[Pattern, ...]] = {}

    def _starting_with(self, form: str) -> tuple[Pattern, ...]:
        known = self._memo.get(form)
        if known is None:
            found = list(self._exact.get(form, ()))
            for size in range(1, min(len(form), self._longest) + 1):
                found.extend(self._stems.get(form[:size], ()))
            known = tuple(sorted(found, key=lambda pattern: -len(pattern.elements)))
            if len(self._memo) < _MEMO_LIMIT:
                self._memo[form] = known
        return known

    def can_start(self, form: str) -> bool:
        """Return whether any pattern begins with `form`."""
        return bool(self._memo.get(form) if form in self._memo else self._starting_with(form))

    def candidates(self, form: str, following: str) -> tuple[Pattern, ...]:
        """Return the patterns that `form`, with `following` after it, can begin; longest first."""
        pair = (form, following)
        known = self._pairs.get(pair)
        if known is None:
            known = tuple(
                pattern
                for pattern in self._starting_with(form)
                if len(pattern.elements) == 1
                or pattern.elements[1] is None
                or pattern.elements[1].fits(following)
            )
            if len(self._pairs) < _MEMO_LIMIT:
                self._pairs[pair] = known
        return known

    def find(self, forms: list[str]) -> Iterator[tuple[Pattern, int, int]]:
        """Yield (pattern, start, end) for every match, overlapping ones included."""
        last, known = len(forms) - 1, self._memo
        for at, form in enumerate(forms):
            # Most words begin no pattern. The result is cached for each word.
            if not (known.get(form) if form in known else self._starting_with(form)):
                continue
            for pattern in self.candidates(form, forms[at + 1] if at < last else ""):
                end = at + 1 if len(pattern.elements) == 1 else pattern.match(forms, at)
                if end is not None:
                    yield pattern, at, end
