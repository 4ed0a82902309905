"""Python's collector of cycles held off where many small objects are made that hold none.

What belongs here: switching it off for a while. What does not: memory that is kept too long (nothing is freed
later for it: objects without cycles go with their last reference).
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Look for no cycles inside: it would walk through every object there is, again and again."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
