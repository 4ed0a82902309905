"""Signing and checking links to one order's page, which need no login.

What belongs here: the content and the signature of a link; other programs can create links, too
(docs/embed.md). What does not: the page (pages/embed.py), and the setting of the keys (settings.py).

The signature covers the order, the level, the expiry time, the key, and the origins that may frame the page.
If any of them is changed, the signature is wrong.
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
    """The content of a link. `expires` is in seconds since 1970, UTC."""

    number: str
    order: int
    level: LinkLevel
    expires: int
    key: str
    origins: tuple[str, ...] = ()


class BadLinkError(Exception):
    """A link is malformed, its signature is wrong, or its key is unknown."""


def parse_link_keys(texts: Sequence[str]) -> dict[str, bytes]:
    """Return secrets by key id. Raises SettingError for a malformed key, and for more than two keys."""
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
        raise SettingError(
            "CONSOLE_LINK_KEYS: at most two keys are allowed; to replace a key, put the new one first"
        )
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
    """Return the content of a link.

    Raises BadLinkError if the link is malformed or was not signed with one of the keys.

    The expiry time is not checked here, because an expired link has its own error page.
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
    """Return whether all texts are origins such as https://erp.example, and at most five are given.

    More origins would make the header that names them too long.
    """
    return len(origins) <= _MOST_ORIGINS and all(_ORIGIN.fullmatch(origin) for origin in origins)
