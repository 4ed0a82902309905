"""Links to one order's page that need no login: made, signed and checked.

What belongs here: what a link says and its signature, so that any program can make one (docs/embed.md). What
does not: the page (pages/embed.py) and the keys' setting (settings.py).

A link is bound to the order, the level, the moment it expires, the key, and the origins that may frame the
page. Changing any of them breaks the signature.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal, TypeAlias, cast
from urllib.parse import quote, urlencode

from whatsapp_pipeline.errors import SettingError

LinkLevel: TypeAlias = Literal["reader", "analyst"]
PREFIX = "whatsapp-pipeline order link v1"
_ORIGIN = re.compile(r"https?://[a-z0-9.-]{1,253}(:[0-9]{1,5})?")
_KEY = re.compile(r"([a-z0-9]{1,16}):([!-~]{32,200})")
_MOST_ORIGINS = 5


@dataclass(frozen=True, slots=True)
class OrderLink:
    """The content of a link; `expires` is in seconds since 1970, UTC."""

    number: str
    order: int
    level: LinkLevel
    expires: int
    key: str
    origins: tuple[str, ...] = ()


class BadLinkError(Exception):
    """A link is malformed, its signature is wrong, or its key is unknown."""


def parse_link_keys(texts: Sequence[str]) -> dict[str, bytes]:
    """Return secrets by their key's id; raises SettingError for a malformed key and for more than two."""
    keys: dict[str, bytes] = {}
    for text in texts:
        found = _KEY.fullmatch(text)
        if found is None or found[1] in keys:
            raise SettingError(
                "CONSOLE_LINK_KEYS: write id:secret, with an id of letters and digits that occurs once and a "
                "secret of at least 32 characters; example: k1:… from `openssl rand -hex 32`"
            )
        keys[found[1]] = found[2].encode("ascii")
    if len(keys) > 2:
        raise SettingError("CONSOLE_LINK_KEYS: at most two keys, the new one first while you rotate")
    return keys


def signature(link: OrderLink, secret: bytes) -> str:
    """Return the HMAC-SHA256 of a link's lines, in hexadecimal."""
    lines = (
        PREFIX,
        link.key,
        link.number,
        str(link.order),
        link.level,
        str(link.expires),
        " ".join(link.origins),
    )
    return hmac.new(secret, "\n".join(lines).encode("utf-8"), sha256).hexdigest()


def link_path(link: OrderLink, secret: bytes) -> str:
    """Return the path and query of a signed link."""
    query = {
        "order": link.order,
        "level": link.level,
        "expires": link.expires,
        "key": link.key,
        "origins": " ".join(link.origins),
        "signature": signature(link, secret),
    }
    return f"/embed/orders/{quote(link.number, safe='')}?{urlencode(query)}"


def checked_link(number: str, query: Mapping[str, str], keys: Mapping[str, bytes]) -> OrderLink:
    """Return what a link says; raises BadLinkError unless it was signed with one of the keys.

    It does not look at the time: an expired link is a good one, and its page says so.
    """
    order, expires = query.get("order", ""), query.get("expires", "")
    level, key = query.get("level", ""), query.get("key", "")
    origins = tuple(query.get("origins", "").split(" ")) if query.get("origins") else ()
    if (
        not re.fullmatch(r"[1-9][0-9]{0,18}", order)
        or not re.fullmatch(r"[1-9][0-9]{0,11}", expires)
        or level not in ("reader", "analyst")
        or key not in keys
        or len(number) > 60
        or "\n" in number
        or not are_origins(origins)
    ):
        raise BadLinkError
    link = OrderLink(number, int(order), cast(LinkLevel, level), int(expires), key, origins)
    given = query.get("signature", "")
    if not given.isascii() or not hmac.compare_digest(signature(link, keys[key]), given):
        raise BadLinkError
    return link


def are_origins(origins: Sequence[str]) -> bool:
    """Return whether all are origins such as https://erp.example, and few enough for a header."""
    return len(origins) <= _MOST_ORIGINS and all(_ORIGIN.fullmatch(origin) for origin in origins)
