"""The words of a title or of a contact's name that are compared.

What belongs here: removing words, separating particles and legal forms. What does not: comparing words
(similarity.py, features.py).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from html import unescape

from whatsapp_pipeline.domain.matching.names.relations import find_relation
from whatsapp_pipeline.domain.matching.names.words import (
    COMPANY_SUFFIXES,
    COMPANY_WORDS,
    GENERATIONS,
    HONORIFICS,
    PARTICLES,
    WEAK_WORDS,
)
from whatsapp_pipeline.domain.vocabulary import find_title_words, fold_ascii

MAX_TITLE_WORDS = 10
MAX_NAME_WORDS = 12


@dataclass(frozen=True, slots=True)
class CleanName:
    """The folded words of a name.

    `particles[i]` is the particle before `words[i]`, or "". `weak[i]`: the word may describe a job or a
    device and not the person. `is_company`: the name has a legal form or a word of a trade. `legal` is the
    legal form as written ("ltda me"), or "". `relation` is the word by which a title names another person
    than the one who writes ("mae" in "Mãe do Marcos"), or "".
    """

    words: tuple[str, ...]
    particles: tuple[str, ...]
    weak: tuple[bool, ...]
    is_company: bool = False
    legal: str = ""
    relation: str = ""


_NAMELESS = CleanName((), (), ())
# The number of a copy of a file, at the end of a title: `Maria (2)`.
_COPY = re.compile(r"\(\s*\d{1,3}\s*\)\s*$")
_ORDER = re.compile(
    r"(?:\bo\.?\s?s\.?|\bordem(?:\s+de\s+servico)?|\bped(?:ido)?\b\.?|\bprotocolo|\bnf\b|#)\s*[:#.\-]*\s*"
    r"(?:n[uo]?m?(?:ero)?[o.:]*\s*)?\d[\d.\-/]*"
)
_LEGAL_FORM = re.compile(r"\bs\s*[/.]\s*a\b\.?")
_ANONYMOUS = " anonima "  # replaces S/A, because "sa" alone is the surname Sá
_DOCUMENT = re.compile(r"\d[\d./\-]{3,}")
_NUMBER = re.compile(r"(?<![a-z0-9])\d[\d.,/\-]*(?![a-z0-9])")
_WORD = re.compile(r"[a-z0-9]+")


def clean_contact(text: str) -> CleanName:
    """Read a contact's `nome` or `fantasia`, without legal forms, document numbers and punctuation."""
    if not text:
        return _NAMELESS
    folded = _LEGAL_FORM.sub(_ANONYMOUS, fold_ascii(unescape(text))).replace("'", "")
    words = _WORD.findall(_DOCUMENT.sub(" ", folded))
    _join_anonymous(words)
    legal: list[str] = []
    while len(words) > 1 and words[-1] in COMPANY_SUFFIXES:
        legal.insert(0, words.pop())
    if _keeps_company(words, legal):
        words.append(legal.pop(0))
    return _assemble(words, [False] * len(words), " ".join(legal), MAX_NAME_WORDS)


def clean_title(text: str) -> CleanName:
    """Read a chat's title, without order numbers, forms of address, copy numbers and other numbers.

    Words of devices and jobs are flagged as weak and not removed, because they may be a surname or a trade
    name.
    """
    folded = _COPY.sub(" ", _LEGAL_FORM.sub(_ANONYMOUS, fold_ascii(text)).replace("'", ""))
    folded = _ORDER.sub(" ", folded)
    spans = find_title_words(folded)
    words: list[str] = []
    weak: list[bool] = []
    for match in _WORD.finditer(_NUMBER.sub(lambda number: " " * len(number.group()), folded)):
        word = match.group()
        words.append(word)
        weak.append(
            word in WEAK_WORDS
            or any(start <= match.start() < end for start, end in spans)
            or not word.isalpha()
        )
    if len(words) > 1 and words[-1] == "sa" and any(word in COMPANY_WORDS for word in words):
        words[-1] = _ANONYMOUS.strip()
    relation = find_relation(words)
    if relation.end > relation.start:
        words, weak = words[relation.start : relation.end], weak[relation.start : relation.end]
    while len(words) > 1 and (words[0] in HONORIFICS or (relation.word and words[0] in PARTICLES)):
        del words[0], weak[0]
    legal: list[str] = []
    for position in range(len(words) - 1, 0, -1):
        if words[position] in COMPANY_SUFFIXES:
            legal.insert(0, words.pop(position))
            del weak[position]
    if _keeps_company(words, legal):
        words.append(legal.pop(0))
        weak.append(weak[0])
    if all(weak):  # without other words, these are compared
        weak = [False] * len(weak)
    return replace(_assemble(words, weak, " ".join(legal), MAX_TITLE_WORDS), relation=relation.word)


def _keeps_company(words: list[str], legal: list[str]) -> bool:
    """Return whether "Cia" is part of a name, as in "Casa & Cia", and not only its legal form."""
    return legal[:1] == ["cia"] and len([word for word in words if word not in PARTICLES]) == 1


def _join_anonymous(words: list[str]) -> None:
    """Replace "SA" or "S A" at the end of a company's name by its legal form.

    A person's "Sá" is a surname.
    """
    if not any(word in COMPANY_WORDS for word in words[:-1]):
        return
    if words[-1] == "sa":
        words[-1] = _ANONYMOUS.strip()
    elif words[-2:] == ["s", "a"]:
        words[-2:] = [_ANONYMOUS.strip()]


def _assemble(words: list[str], weak: list[bool], legal: str, limit: int) -> CleanName:
    is_company = bool(legal)
    kept: list[str] = []
    particles: list[str] = []
    weakness: list[bool] = []
    pending = ""
    for word, is_weak in zip(words, weak, strict=True):
        if word in PARTICLES:
            pending = word
            continue
        kept.append(GENERATIONS.get(word, word) if kept else word)
        particles.append(pending if len(kept) > 1 else "")
        weakness.append(is_weak)
        is_company = is_company or word in COMPANY_WORDS
        pending = ""
    if not kept and words:
        kept, particles, weakness = [words[0]], [""], [False]
    return CleanName(
        tuple(kept[:limit]), tuple(particles[:limit]), tuple(weakness[:limit]), is_company, legal
    )
