"""Generator of invented phone numbers.

Every sample takes its Brazilian numbers from here. They are random numbers of one pattern, whose last four
digits begin with 0: `9NNNN-0NNN` for mobiles and `3NNN-0NNN` for landlines.
"""

from __future__ import annotations

import random

AREA_CODES = (11, 21, 31, 41, 42, 43, 47, 48, 51, 61, 71, 81, 85)


def mobile(rng: random.Random, area_code: int | None = None) -> str:
    """Return a mobile as national digits, area code first: `41987650123` (11 digits)."""
    area = area_code or rng.choice(AREA_CODES)
    return f"{area}9{rng.randint(6, 9)}{rng.randint(0, 999):03d}0{rng.randint(0, 999):03d}"


def landline(rng: random.Random, area_code: int | None = None) -> str:
    """Return a landline as national digits, area code first: `4132340123` (10 digits)."""
    area = area_code or rng.choice(AREA_CODES)
    return f"{area}3{rng.randint(0, 999):03d}0{rng.randint(0, 999):03d}"


def international(national: str) -> str:
    """Format national digits as WhatsApp does in labels: `+55 41 98765-0123`."""
    area, rest = national[:2], national[2:]
    return f"+55 {area} {rest[:-4]}-{rest[-4:]}"


def without_ninth_digit(national: str) -> str:
    """Remove the ninth digit of a mobile: `41987650123` → `4187650123`."""
    return national[:2] + national[3:] if len(national) == 11 else national
