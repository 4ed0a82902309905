"""Names of chat files, in all forms that exports use.

What belongs here: getting the title from a file's path, and the key of a chat across files. What does not:
the meaning of a title (titles.py), and the phrases of native names (transcripts/languages/).
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from whatsapp_pipeline.domain.titles import parse_file_name

_SUFFIX = re.compile(r"\.(?:txt|zip)$", re.IGNORECASE)
_COPY = re.compile(r"\s*\(\d{1,3}\)$")
# An iOS export's chat, whose title is the name of the zip or folder around it.
_NAMELESS = "_chat"
# Names of folders and files in a zip that do not identify a chat.
_GENERAL_NAMES = frozenset(
    {
        *("", ".", "chat", "chats", "backup", "export", "exports", "media"),
        *("conversa", "conversas", "mensagens", "messages"),
        *("whatsapp", "whatsapp chat", "conversa do whatsapp", "chat de whatsapp"),
    }
)
# One or more of a year, a month and a day. Any other number is a name, often the number of an order.
_DATE = re.compile(
    r"(?:19|20)\d\d(?:0[1-9]|1[0-2])?|(?:19|20)\d\d(?:[\s._-]+\d{1,2}){1,2}"
    r"|\d{1,2}(?:[\s._-]+\d{1,2}){0,2}|\d{1,2}(?:[\s._-]+\d{1,2})?[\s._-]+(?:19|20)\d\d",
    re.ASCII,
)
# The name of an archive's folder begins with the time of the chat's last message.
_FOLDER_TIME = re.compile(r"\d{4}-\d\d-\d\d[ T_]\d\d[ ._:-]\d\d[ ._:-]\d\d\s+-\s+")


@dataclass(frozen=True, slots=True)
class ChatName:
    """The parsed name of a file: the time in it, the chat's title, and whether the form of the name is known.

    With `is_combined`, the name shows that the file has many chats; the title is then None.
    """

    time: datetime | None
    title: str | None
    is_known: bool
    is_combined: bool = False


@lru_cache(maxsize=4096)
def read_chat_name(path: str, member: str | None = None) -> ChatName:
    """Parse the name of a chat file, from its path (with `/` as separator).

    `member` is the path of the chat inside the zip at `path`; None if the file is not in a zip.

    A chat without a name (`_chat.txt`) gets its title from the innermost folder or zip around it that has a
    known name. A name of unknown form is used as the title. A general name (`chat.txt`) is not used, because
    the chats of different people have it; the name of a folder inside the zip is used instead.
    """
    parts = path.split("/")
    inner: list[str] = []
    if member is not None and member != parts[-1]:
        *inner, last = member.split("/")
        holders = [*inner[::-1], parts[-1]]
    else:
        last, holders = parts[-1], parts[-2:-1]
    name = _parse_name(last)
    has_title = name.title is not None and not _is_general(name.title)
    if name.is_combined or (has_title and (name.is_known or not inner)):
        return name
    known = (holder for holder in map(_parse_name, holders) if holder.is_known and holder.title is not None)
    if (holder := next(known, None)) is not None:
        return holder
    if has_title:
        return name
    folders = (folder for folder in inner[::-1] if not _is_general(folder))
    untitled = ChatName(name.time, None, name.is_known)
    return next((_parse_name(_FOLDER_TIME.sub("", folder)) for folder in folders), untitled)


def _is_general(name: str) -> bool:
    """Return whether a name does not identify the chat, such as `chat`, a year or a month."""
    return name.casefold() in _GENERAL_NAMES or _DATE.fullmatch(name) is not None


def _parse_name(part: str) -> ChatName:
    archived = parse_file_name(part)
    if archived is not None:
        return ChatName(archived.time, archived.title or None, True)
    stem = _COPY.sub("", _SUFFIX.sub("", unicodedata.normalize("NFC", part)).strip())
    if stem.lower() == _NAMELESS:
        return ChatName(None, None, True)
    # This import loads polars, which a process that only loads the definitions does not need.
    from whatsapp_pipeline.domain.transcripts.phrases import phrases

    if phrases().is_combined(stem):
        return ChatName(None, None, True, is_combined=True)
    title = phrases().title(stem)
    return ChatName(None, title or None, title != stem)


def chat_key(title: str | None, phone_key: str | None, *, is_group: bool) -> str | None:
    """Return the key of a chat across files: the person's phone key, otherwise the normalised title.

    None without both.
    """
    if phone_key is not None and not is_group:
        return phone_key
    label = " ".join(unicodedata.normalize("NFKC", title or "").casefold().split())
    return (f"group:{label}" if is_group else f"label:{label}") if label else None
