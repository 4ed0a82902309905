"""The phrases of every language as look-up tables, read from `languages/` once per process.

What belongs here: making tables of the language files, and looking phrases up. What does not: the phrases,
and the shapes of a format.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from whatsapp_pipeline.domain.transcripts.chat_message import DateOrder

# Invisible characters: byte order mark, direction, isolates, zero width space and word joiner.
INVISIBLE = "\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff"
_DROP_INVISIBLE: dict[int, str | None] = dict.fromkeys(map(ord, INVISIBLE))
# Special spaces that are used instead of plain ones (before PM, inside phones).
SPACES = "\u00a0\u202f\u2007\u2009"
_DROP_INVISIBLE.update(dict.fromkeys(map(ord, SPACES), " "))
_IS_ODD = re.compile(f"[{INVISIBLE}{SPACES}]").search

_WORD = re.compile(r"[^\W\d_]+")
_WORDS = re.compile(r"\w+").findall
# No notice is longer. A person wrote longer texts, so they are not searched.
LONGEST_PHRASE = 1_000
LAST_LETTERS = 4

FILE_KINDS = {
    "image": "jpg jpeg png heic webp-image bmp tiff",
    "audio": "opus ogg m4a mp3 aac amr wav",
    "video": "mp4 mov 3gp avi mkv webm",
    "sticker": "webp",
    "gif": "gif",
    "contact": "vcf",
}
_KIND_OF_EXTENSION = {extension: kind for kind, names in FILE_KINDS.items() for extension in names.split()}


def visible(text: str) -> str:
    """Return the visible text: without invisible characters, with plain spaces."""
    if text.isascii():
        return text
    if "\u200e" in text:  # by far the most frequent one, and `translate` takes microseconds
        text = text.replace("\u200e", "")
    return text if _IS_ODD(text) is None else text.translate(_DROP_INVISIBLE)


def fold_phrase(text: str) -> str:
    """Return a text in the form in which phrases are compared."""
    return visible(text).strip().casefold()


def kind_of_file(name: str) -> str:
    """Return the kind of attachment of a file name: `PTT-1.opus` → audio; `document` if it is unknown."""
    return _KIND_OF_EXTENSION.get(name.rpartition(".")[2].lower(), "document")


@dataclass(frozen=True, slots=True)
class TimeWords:
    """The words of headers: between date and time, parts of the day, and months; keys are folded."""

    joiners: tuple[str, ...]
    day_periods: dict[str, str]
    """`am`, `pm`, `night`, which lasts from six in the evening to six in the morning, or `clock` for words
    such as "Uhr"."""
    months: dict[str, int]


@dataclass(frozen=True, slots=True)
class Phrases:
    """The tables of all languages; keys are folded."""

    statuses: frozenset[str]
    attachment_kinds: dict[str, str]
    omitted: dict[str, str]
    omitted_ends: frozenset[str]
    """The last LAST_LETTERS letters of each phrase in `omitted`."""
    omitted_words: frozenset[str]
    """The last word of each phrase in `omitted` that is in angle brackets."""
    left_out_lines: frozenset[str]
    """The phrases in `omitted` as lines that are not folded: with and without a capital and a full stop."""
    attached_suffixes: tuple[str, ...]
    attached_prefixes: tuple[str, ...]
    attached_words: frozenset[str]
    """The prefixes without colons, which come after the name of a file."""
    articles: frozenset[str]
    """Words before the phrase of an omitted file that show that a person typed it: `a imagem ocultada`."""
    streets: frozenset[str]
    """First words of addresses, such as `Rua` and `Av.`, without full stops."""
    edited: tuple[str, ...]
    location: tuple[str, ...]
    poll: tuple[str, ...]
    event: tuple[str, ...]
    you: frozenset[str]
    titles: tuple[re.Pattern[str], ...]
    combined_title: re.Pattern[str]
    whole_texts: dict[str, str]
    text_patterns: re.Pattern[str]
    notification_patterns: re.Pattern[str]
    notification_words: frozenset[str]
    """One word of each notification pattern; a text that matches the pattern contains the word."""
    notification_parts: tuple[str, ...]
    """The same for patterns without a long whole word: a part that each matching text contains."""
    encryption: tuple[tuple[str, re.Pattern[str]], ...]
    vocabulary: frozenset[str]
    """All words of phrases; a line of WhatsApp without its names has only such words."""
    date_orders: dict[str, DateOrder]
    times: TimeWords
    text_starts: frozenset[str]
    """The first five characters of all texts that WhatsApp may have written."""
    folded_starts: frozenset[str]
    """The first three characters of these texts, folded."""

    def type_of_text(self, folded: str) -> str | None:
        """Return the type of a message whose whole folded text is a phrase of WhatsApp; None for others.

        iOS ends most phrases with a full stop.
        """
        folded = folded.removesuffix(".")
        if (kind := self.whole_texts.get(folded)) is not None:
            return kind
        match = self.text_patterns.fullmatch(folded) if len(folded) < LONGEST_PHRASE else None
        return match.lastgroup if match else None

    def is_whole_call(self, text: str) -> bool:
        """Return whether a text names a call and its end, as only WhatsApp writes: `Voice call. 2 min`."""
        folded = fold_phrase(text).removesuffix(".")
        match = self.text_patterns.fullmatch(folded) if len(folded) < LONGEST_PHRASE else None
        return match is not None and match.lastgroup == "call" and visible(text).lstrip()[:1].isupper()

    def is_address(self, text: str) -> bool:
        """Return whether a text begins like an address: `Rua das Flores, fundos`."""
        return fold_phrase(text).partition(" ")[0].removesuffix(".") in self.streets

    def notification(self, text: str) -> str | None:
        """Return the kind of a notice (call, deleted, encryption, group, system); None for other texts."""
        if len(text) >= LONGEST_PHRASE:
            return None
        folded = fold_phrase(text).removesuffix(".")
        # Few texts contain a word of a notice, and this check is far faster than all patterns.
        if self.notification_words.isdisjoint(_WORDS(folded)) and not any(
            part in folded for part in self.notification_parts
        ):
            return None
        match = self.notification_patterns.fullmatch(folded)
        return match.lastgroup if match else None

    def title(self, name: str) -> str:
        """Return the chat's title from the file name of a native export; the name if no phrase matches."""
        plain = visible(name).strip()
        for pattern in self.titles:
            if match := pattern.fullmatch(plain):
                return match[1].strip()
        return plain

    def is_combined(self, name: str) -> bool:
        """Return whether a file name means that the file has many chats."""
        return self.combined_title.search(fold_phrase(name)) is not None

    def language(self, text: str) -> str | None:
        """Return the language of the first encryption notice in `text`; None if there is none."""
        folded = fold_phrase(text)
        for language, pattern in self.encryption:
            if pattern.search(folded):
                return language
        return None


def _pattern(phrase: str) -> str:
    """Return a phrase as an expression, without a full stop at its end.

    `*` matches any text except an empty one, `#` a number.
    """
    words = [
        re.escape(part).replace(r"\#", r"\d+") for part in fold_phrase(phrase).removesuffix(".").split("*")
    ]
    return ".+".join(words)


def _one_of(groups: dict[str, Iterable[str]]) -> re.Pattern[str]:
    alternatives = (
        f"(?P<{name}>{'|'.join(_open_end(phrase) for phrase in phrases)})" for name, phrases in groups.items()
    )
    return re.compile("|".join(alternatives), re.DOTALL)


def _open_end(phrase: str) -> str:
    """Let a trailing `*` also match an empty text, because the notice may end there."""
    return _pattern(phrase[:-1]) + ".*" if phrase.endswith("*") else _pattern(phrase)


def _rare_part(phrase: str) -> tuple[str, bool]:
    """Return a part of a pattern that each matching text contains, and whether it is a whole word there.

    The part is the longest word that no `*` touches. If that word is short, and so frequent in any text, the
    part is the longest one between `*` and `#`.
    """
    # As in `_open_end`, a blank before a last `*` is not part of the pattern.
    is_open = phrase.endswith("*")
    folded = fold_phrase(phrase.removesuffix("*")).removesuffix(".") + "*" * is_open
    word = max(_WHOLE_WORD.findall(folded), key=len, default="")
    if len(word) >= _RARE_LENGTH:
        return word, True
    return max(re.split(r"[*#]", folded), key=len), False


_WHOLE_WORD = re.compile(r"(?<![\w*#])\w+(?![\w*#])")
_RARE_LENGTH = 4


def _calls(languages: dict[str, dict[str, Any]]) -> str:
    """Return an expression for calls and their end: `Ligação de voz. 2 min`, `Chamada …, sem resposta`."""
    calls = "|".join(_pattern(phrase) for phrase in _collect(languages, "texts", "call"))
    ends = "|".join(_open_end(phrase) for phrase in _collect(languages, "texts", "call_ends"))
    return rf"(?:{calls})[.,]\s*(?:{ends})"


def _words(data: object) -> set[str]:
    """Return all words of the strings in a language file."""
    if isinstance(data, str):
        return set(_WORD.findall(fold_phrase(data)))
    values = data.values() if isinstance(data, dict) else data if isinstance(data, list) else ()
    return {word for value in values for word in _words(value)}


def _collect(languages: dict[str, dict[str, Any]], *path: str) -> dict[str, None]:
    """Return the phrases of all languages at a place in their files, each once, in the order of the files."""
    collected: dict[str, None] = {}
    for data in languages.values():
        found: Any = data
        for step in path:
            found = found.get(step, {})
        collected.update(dict.fromkeys(found))
    return collected


def _kinds(languages: dict[str, dict[str, Any]], section: str) -> dict[str, str]:
    return {
        fold_phrase(phrase): kind
        for data in languages.values()
        for kind, phrases in data.get(section, {}).items()
        for phrase in phrases
    }


def _all_texts(languages: dict[str, dict[str, Any]]) -> list[str]:
    sections = [_collect(languages, "texts", kind) for kind in ("deleted", "call", "location")]
    sections += [_collect(languages, "omitted", kind) for kind in _KINDS]
    sections += [_collect(languages, "marks", kind) for kind in ("location", "poll", "event")]
    sections.append(_collect(languages, "notifications", "encryption"))
    return [phrase for section in sections for phrase in section]


def _starts(texts: Iterable[str]) -> frozenset[str]:
    forms = (form for text in texts for form in (text, text.casefold(), text.capitalize(), text.upper()))
    return frozenset(form[:5] for form in forms)


def _time_words(languages: dict[str, dict[str, Any]]) -> TimeWords:
    months = {
        fold_phrase(name): number
        for data in languages.values()
        for number, names in enumerate(data.get("time", {}).get("months", ()), start=1)
        for name in names.split("|")
    }
    periods = {
        fold_phrase(phrase): half
        for half in ("am", "pm", "night", "clock")
        for phrase in _collect(languages, "time", half)
    }
    return TimeWords(tuple(_collect(languages, "time", "joiners")), periods, months)


_KINDS = ("media", "image", "audio", "video", "gif", "sticker", "document", "contact")


def _read_languages() -> dict[str, dict[str, Any]]:
    """Return the content of each file in `languages/` by the name of the language."""
    folder = files(__package__).joinpath("languages")
    return {
        path.name.removesuffix(".toml"): tomllib.loads(path.read_text(encoding="utf-8"))
        for path in sorted(folder.iterdir(), key=lambda path: path.name)
        if path.name.endswith(".toml")
    }


def _left_out_lines(languages: dict[str, dict[str, Any]]) -> frozenset[str]:
    return frozenset(
        form + stop
        for kind in _KINDS
        for phrase in _collect(languages, "omitted", kind)
        for form in (phrase, phrase[:1].upper() + phrase[1:])
        for stop in ("", ".")
    )


def _title_patterns(languages: dict[str, dict[str, Any]]) -> tuple[re.Pattern[str], ...]:
    titles = _collect(languages, "titles")
    return tuple(re.compile(re.escape(title).replace(r"\*", "(.+)"), re.IGNORECASE) for title in titles)


def _whole_texts(languages: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Return the type of each phrase that is a whole text and has no `*`, without full stops."""
    found = _kinds(languages, "omitted")
    for kind in ("deleted", "call", "location"):
        found |= {fold_phrase(text): kind for text in _collect(languages, "texts", kind) if "*" not in text}
    return {phrase.removesuffix("."): kind for phrase, kind in found.items()}


def _text_patterns(languages: dict[str, dict[str, Any]]) -> re.Pattern[str]:
    """Return an expression for the whole texts with variable parts; its groups are named by the type."""
    deleted = "|".join(_open_end(text) for text in _collect(languages, "texts", "deleted") if "*" in text)
    return re.compile(f"(?P<deleted>{deleted})|(?P<call>{_calls(languages)})", re.DOTALL)


def _encryption_patterns(
    languages: dict[str, dict[str, Any]],
) -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Return the language of each encryption notice, and an expression for the notice."""
    notices = {name: data.get("notifications", {}).get("encryption") for name, data in languages.items()}
    return tuple(
        (name, re.compile("|".join(_pattern(phrase.rstrip("*")) for phrase in phrases)))
        for name, phrases in notices.items()
        if phrases
    )


_NOTICES = ("encryption", "call", "deleted", "group", "system")


def _rare_parts(languages: dict[str, dict[str, Any]], *, are_words: bool) -> list[str]:
    """Return the rare parts of notices that are whole words, or those that are not."""
    notices = [notice for kind in _NOTICES for notice in _collect(languages, "notifications", kind)]
    return list(dict.fromkeys(part for part, is_word in map(_rare_part, notices) if is_word is are_words))


@cache
def phrases() -> Phrases:
    """Return the tables of all files in `languages/`; the first call builds them."""
    languages = _read_languages()

    def folded(*path: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(map(fold_phrase, _collect(languages, *path))))

    omitted, prefixes = _kinds(languages, "omitted"), folded("attached", "prefixes")
    texts = _all_texts(languages)
    return Phrases(
        statuses=frozenset(folded("statuses")),
        attachment_kinds=_kinds(languages, "attachment_kinds"),
        omitted=omitted,
        omitted_ends=frozenset(phrase[-LAST_LETTERS:] for phrase in omitted),
        omitted_words=frozenset(phrase.rstrip(">").split()[-1] for phrase in omitted if phrase[0] == "<"),
        left_out_lines=_left_out_lines(languages),
        attached_suffixes=folded("attached", "suffixes"),
        attached_prefixes=prefixes,
        attached_words=frozenset(prefix.rstrip(":") for prefix in prefixes),
        articles=frozenset(folded("articles")),
        streets=frozenset(folded("streets")),
        edited=folded("marks", "edited"),
        location=folded("marks", "location"),
        poll=folded("marks", "poll"),
        event=folded("marks", "event"),
        you=frozenset(folded("you")),
        titles=_title_patterns(languages),
        combined_title=re.compile("|".join(_collect(languages, "combined_titles"))),
        whole_texts=_whole_texts(languages),
        text_patterns=_text_patterns(languages),
        notification_patterns=_one_of(
            {kind: _collect(languages, "notifications", kind) for kind in _NOTICES}
        ),
        notification_words=frozenset(_rare_parts(languages, are_words=True)),
        notification_parts=tuple(_rare_parts(languages, are_words=False)),
        encryption=_encryption_patterns(languages),
        vocabulary=frozenset(_words(list(languages.values()))),
        times=_time_words(languages),
        text_starts=_starts([*texts, "https", "http:"]),
        folded_starts=frozenset(fold_phrase(text)[:3] for text in [*texts, "https"]),
        date_orders={name: data["date_order"] for name, data in languages.items() if "date_order" in data},
    )
