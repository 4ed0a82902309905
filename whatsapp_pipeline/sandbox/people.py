"""Invented customers, and their phones as an attendant typed them into the ERP.

What belongs here: people, their true number, and their fields in the ERP. What does not: their messages
(`phrases`, `dialogue`) and pages (`pages`). Names are combinations of the most common Brazilian given names
and surnames, numbers come from `numbers`, and nobody here exists.
"""

from __future__ import annotations

import random
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.resources import files
from typing import Any, Final

from whatsapp_pipeline.sandbox import numbers

_NAMES: Final[dict[str, Any]] = tomllib.loads(
    files("whatsapp_pipeline.sandbox").joinpath("names.toml").read_text("utf-8")
)
WOMEN: Final[list[str]] = _NAMES["women"]
MEN: Final[list[str]] = _NAMES["men"]
SURNAMES: Final[list[str]] = _NAMES["surnames"]
NICKNAMES: Final[dict[str, str]] = _NAMES["nicknames"]
TOWNS: Final[list[list[str]]] = _NAMES["towns"]
DISTRICTS: Final[list[str]] = _NAMES["districts"]
STREETS: Final[list[str]] = _NAMES["streets"]
FIRST_ID: Final = 701_000_001

# Formats of the number in the ERP, with their share in percent.
_WAYS: Final = (
    ("celular", 52),
    ("celular_no_ninth", 10),
    ("unknown_area", 16),
    ("celular_e164", 5),
    ("celular_words", 4),
    ("two_numbers", 3),
    ("telefone", 6),
    ("none", 4),
)


@dataclass(slots=True)
class SamplePerson:
    """A customer: the true `number` (national digits), and `telefone` and `celular` of the ERP."""

    id: int
    index: int
    name: str
    first_name: str
    woman: bool
    company: bool
    number: str
    phone_way: str
    telefone: str
    celular: str
    document: str
    email: str
    situacao: str
    created: datetime
    updated: datetime
    shared_with: int | None = None

    @property
    def key(self) -> str:
        """Area code and last eight digits, which identify a number."""
        return self.number[:2] + self.number[-8:]


class Registry:
    """The last eight digits in use, so that two people share them only on purpose."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def fresh(
        self, rng: random.Random, make: Callable[[random.Random, int | None], str], area_code: int | None
    ) -> str:
        """Draw numbers with `make` until the last eight digits are new; return the national digits."""
        while (number := make(rng, area_code))[-8:] in self._taken:
            pass
        self._taken.add(number[-8:])
        return number


def full_name(rng: random.Random, *, woman: bool) -> str:
    """Compose a name: a given name, sometimes a second one, and one to three surnames."""
    names = WOMEN if woman else MEN
    first = names[int(len(names) * rng.random() ** 1.5)]
    parts = [first]
    if rng.random() < 0.25:
        second = rng.choice(names)
        if second != first:
            parts.append(second)
    count = 1 + (rng.random() < 0.7) + (rng.random() < 0.12)
    surnames = rng.sample(SURNAMES, count) if rng.random() < 0.4 else _common_surnames(rng, count)
    if rng.random() < 0.18:
        surnames.insert(len(surnames) - 1, rng.choice(("da", "de", "dos")))
    return " ".join(parts + surnames)


def _common_surnames(rng: random.Random, count: int) -> list[str]:
    chosen: list[str] = []
    while len(chosen) < count:
        surname = SURNAMES[int(len(SURNAMES) * rng.random() ** 2)]
        if surname not in chosen:
            chosen.append(surname)
    return chosen


def typed(number: str) -> str:
    """Format national digits as an attendant types them: `(41) 98765-0123`."""
    return f"({number[:2]}) {number[2:-4]}-{number[-4:]}"


def _weighted(rng: random.Random, shares: tuple[tuple[str, int], ...]) -> str:
    draw = rng.random() * sum(share for _, share in shares)
    for name, share in shares:
        draw -= share
        if draw < 0:
            return name
    return shares[-1][0]


def _phone_fields(rng: random.Random, registry: Registry, number: str, way: str) -> tuple[str, str]:
    """Return (telefone, celular) of the ERP for a true `number`."""
    area_code = int(number[:2])
    landline = typed(registry.fresh(rng, numbers.landline, area_code)) if rng.random() < 0.15 else ""
    if way == "none":
        return landline, ""
    if way == "telefone" or len(number) == 10:  # a landline belongs in telefone
        return typed(number), ""
    words = rng.choice(("esposa", "recado c/ mãe", "só whats", "filho", "falar com a secretária"))
    celular = {
        "celular_no_ninth": typed(numbers.without_ninth_digit(number)),
        "unknown_area": "(xx)" + typed(number)[4:],
        "celular_e164": "+55" + number,
        "celular_words": f"{typed(number)} {words}",
    }.get(way, typed(number))
    if way == "two_numbers":
        other = registry.fresh(rng, numbers.mobile, area_code)
        celular += f" / {other[2:-4]}-{other[-4:]}"
    return landline, celular


def _document(rng: random.Random, *, company: bool) -> str:
    """Invent a CPF or CNPJ with the check digits 00. They are wrong for nearly all of these numbers."""
    if company:
        return f"{rng.randint(10, 99)}.{rng.randint(0, 999):03d}.{rng.randint(0, 999):03d}/0001-00"
    return f"{rng.randint(100, 999)}.{rng.randint(0, 999):03d}.{rng.randint(0, 999):03d}-00"


def make_people(seed: int, count: int, first_day: datetime, registry: Registry) -> list[SamplePerson]:
    """Invent `count` customers, created in the six years before `first_day`.

    A seed always gives the same customers. About 1 % share a number with an earlier customer, and a few share
    only its last eight digits. All other numbers differ in their last eight digits, which `registry` stores.
    """
    rng = random.Random(f"people/{seed}")
    people: list[SamplePerson] = []
    for index in range(count):
        woman, company = rng.random() < 0.5, rng.random() < 0.09
        name = full_name(rng, woman=woman)
        first_name = name.split()[0]
        if company:
            business, suffix = rng.choice(_NAMES["businesses"]), rng.choice(_NAMES["business_suffixes"])
            name = f"{business} {rng.choice(SURNAMES)} {suffix}"
        number, shared_with = _number(rng, people, registry)
        way = _weighted(rng, _WAYS)
        if shared_with is not None and way == "none":
            way = "celular"
        if len(number) == 10 and way != "none":
            way = "telefone"
        telefone, celular = _phone_fields(rng, registry, number, way)
        created = first_day - timedelta(minutes=rng.randint(60, 6 * 365 * 1440))
        people.append(
            SamplePerson(
                id=FIRST_ID + index * 7 + rng.randint(0, 6),
                index=index,
                name=name.upper() if rng.random() < 0.08 else name,
                first_name=first_name,
                woman=woman,
                company=company,
                number=number,
                phone_way=way,
                telefone=telefone,
                celular=celular,
                document=_document(rng, company=company) if rng.random() < 0.7 else "",
                email=f"{first_name.lower()}{index}@example.com" if rng.random() < 0.45 else "",
                situacao=_weighted(rng, (("B", 88), ("A", 1), ("I", 7), ("E", 4))),
                created=created,
                updated=created + (first_day - created) * rng.random(),
                shared_with=shared_with,
            )
        )
    return people


def _number(rng: random.Random, people: list[SamplePerson], registry: Registry) -> tuple[str, int | None]:
    """Draw a new number, or rarely that of another person; return it, and the position of that person."""
    draw = rng.random()
    if people and draw < 0.014:
        other = people[int(rng.random() * len(people))]
        if draw < 0.01:
            return other.number, other.index if other.shared_with is None else other.shared_with
        elsewhere = next(code for code in numbers.AREA_CODES if str(code) != other.number[:2])
        return f"{elsewhere}{other.number[2:]}", None
    make = numbers.landline if rng.random() < 0.035 else numbers.mobile
    return registry.fresh(rng, make, 41 if rng.random() < 0.78 else None), None
