"""The chats of the invented world: their owners, titles, and names in headers.

What belongs here: creating a chat and drawing its title. What does not: when it is used (`plan`) and its
messages (`dialogue`).
"""

from __future__ import annotations

import random
import string
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from whatsapp_pipeline.sandbox import numbers
from whatsapp_pipeline.sandbox.blocks import ChatStyle, HeaderIdentity
from whatsapp_pipeline.sandbox.dialogue import Session, Speaker
from whatsapp_pipeline.sandbox.orders import DEVICES, SampleOrder
from whatsapp_pipeline.sandbox.people import NICKNAMES, Registry, SamplePerson, full_name

GROUPS: Final = (
    "Equipe Assistência",
    "Entregas e Coletas",
    "Oficina - Bancada",
    "Plantão de Sábado",
    "Fornecedores de Telas PR",
    "Administração e Recepção da Assistência Técnica - Unidade Centro e Unidade Portão",
)
LONGEST_TITLE: Final = 60
_FOREIGN_AREAS: Final = ("212", "305", "415", "617", "702", "808")
_BASE64: Final = string.ascii_letters + string.digits
_NAME_KINDS: Final = ("name", "name_os", "name_device", "first_last", "nickname", "emoji")
_NAME_SHARES: Final = (30, 18, 18, 18, 10, 6)


@dataclass(slots=True)
class SampleChat:
    """One chat. `person` is None for strangers and groups.

    `sessions` are all its planned sessions. `files` has the same sessions by the position of their month.
    """

    index: int
    kind: str
    person: SamplePerson | None
    number: str
    title_kind: str
    speaker: Speaker
    sessions: list[Session] = field(default_factory=list)
    files: dict[int, list[Session]] = field(default_factory=dict)
    _style: ChatStyle | None = None

    def has_session_near(self, start: datetime, apart: float) -> bool:
        """Return whether a session begins less than `apart` seconds from `start`."""
        return any(abs((session.start - start).total_seconds()) < apart for session in self.sessions)

    def style(self, seed: int) -> ChatStyle:
        """Return the label and the names in headers; the same seed gives the same ones."""
        if self._style is None:
            if self.title_kind == "name_os" and all(session.order is None for session in self.sessions):
                self.title_kind = "name"  # the chat has no order to name
            self._style = _draw_style(random.Random(f"style/{seed}/{self.index}"), self)
        return self._style


def _speaker(rng: random.Random, name: str, *, woman: bool) -> Speaker:
    return Speaker(
        name, name.split(maxsplit=1)[0], woman, casual=rng.random() < 0.3, plain=rng.random() < 0.02
    )


def _capitalized(name: str) -> str:
    return " ".join(word if word in {"da", "de", "dos"} else word.capitalize() for word in name.split())


def of_person(rng: random.Random, index: int, person: SamplePerson, named: float) -> SampleChat:
    """Make a customer's chat; its title is a name with the probability `named`, otherwise the number."""
    title_kind = "landline" if len(person.number) == 10 else "mobile"
    if rng.random() < named:
        title_kind = rng.choices(_NAME_KINDS, _NAME_SHARES)[0]
    name = person.name if not person.company else full_name(rng, woman=person.woman)
    return SampleChat(
        index,
        "person",
        person,
        person.number,
        title_kind,
        _speaker(rng, _capitalized(name), woman=person.woman),
    )


def of_stranger(rng: random.Random, index: int, registry: Registry) -> SampleChat:
    """Make the chat of somebody whom the ERP does not know; a few write from abroad."""
    woman = rng.random() < 0.5
    speaker = _speaker(rng, full_name(rng, woman=woman), woman=woman)
    if rng.random() < 0.05:
        number = f"+1 {rng.choice(_FOREIGN_AREAS)} 555-01{rng.randint(0, 99):02d}"
        return SampleChat(index, "stranger", None, number, "foreign", speaker)
    make = numbers.landline if rng.random() < 0.05 else numbers.mobile
    number = registry.fresh(rng, make, 41 if rng.random() < 0.6 else None)
    return SampleChat(index, "stranger", None, number, "landline" if len(number) == 10 else "mobile", speaker)


def of_group(rng: random.Random, index: int, position: int) -> SampleChat:
    """Make a group of the shop."""
    name = GROUPS[position % len(GROUPS)]
    if position >= len(GROUPS):
        name = f"{name} {position // len(GROUPS) + 1}"
    return SampleChat(
        index, "group", None, name, "group", _speaker(rng, full_name(rng, woman=True), woman=True)
    )


def _opaque(rng: random.Random) -> str:
    return "".join(rng.choices(_BASE64, k=10)) + "AA="


def _header_digits(rng: random.Random, number: str) -> str | None:
    """Return the digits in headers: mostly without the ninth digit, rarely a LID, or None."""
    draw = rng.random()
    if number.startswith("+"):
        return "".join(filter(str.isdigit, number))
    if draw < 0.86:
        return "55" + numbers.without_ninth_digit(number)
    if draw < 0.93:
        return "55" + number
    return str(rng.randint(10**14, 10**15 - 1)) if draw < 0.97 else None


def _draw_style(rng: random.Random, chat: SampleChat) -> ChatStyle:
    if chat.kind == "group":
        members = tuple(
            HeaderIdentity(
                full_name(rng, woman=position % 2 == 0),
                "55" + numbers.without_ninth_digit(numbers.mobile(rng, 41)),
            )
            for position in range(6)
        )
        return ChatStyle(chat.number, members, None)
    digits = _header_digits(rng, chat.number)
    label = _title(rng, chat)
    saved = chat.title_kind in _NAME_KINDS
    identity = HeaderIdentity(
        label if saved else _opaque(rng), digits if not saved or rng.random() < 0.8 else None
    )
    notice = f"+{digits} é um contato." if digits and rng.random() < 0.62 else None
    return ChatStyle(label, (identity,), notice)


def _title(rng: random.Random, chat: SampleChat) -> str:
    """Return the chat's title: the number as WhatsApp shows it, or the name as an attendant saved it."""
    if chat.title_kind == "foreign":
        return chat.number
    if chat.title_kind not in _NAME_KINDS or chat.person is None:
        return numbers.international(chat.number)
    name = chat.person.name if chat.person.company else chat.speaker.name
    words = [word for word in name.split() if word not in {"da", "de", "dos"}]
    order = next((session.order for session in chat.sessions if session.order is not None), None)
    if chat.title_kind == "name_os" and order is not None:
        return _with_order(rng, name, words, order)
    device = f"{order.device.word} {order.model}" if order else rng.choice(DEVICES).word
    device = device.lower() if rng.random() < 0.6 else device
    whole = name.lower() if rng.random() < 0.1 else name
    return {
        "name_device": f"{words[0] if rng.random() < 0.6 else f'{words[0]} {words[-1]}'} {device}",
        "first_last": f"{words[0]} {words[-1]}",
        "nickname": f"{NICKNAMES.get(words[0], words[0])} {words[-1]}",
        "emoji": f"{name} {rng.choice(('📱', '💻', '⭐', '🔧'))}",
    }.get(chat.title_kind, whole)


def _with_order(rng: random.Random, name: str, words: Sequence[str], order: SampleOrder) -> str:
    reference = rng.choice(("OS {}", "OS:{}", "Os {}", "OS#{}", "O.S. {}")).format(order.number)
    if rng.random() < 0.35:
        return f"{words[0]} {order.device.word} {reference}"
    return f"{name if rng.random() < 0.5 else f'{words[0]} {words[-1]}'} {reference}"


def file_title(label: str) -> str:
    """Return a label as a file name may contain it; a long one is cut and ends with `-`."""
    title = label.replace("/", "_")
    return title if len(title) <= LONGEST_TITLE else title[: LONGEST_TITLE - 1].rstrip() + "-"
