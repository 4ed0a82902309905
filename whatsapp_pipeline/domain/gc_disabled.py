"""Disabling Python's cyclic garbage collector while many small objects without cycles are made.

What belongs here: switching the collector off and on. What does not: freeing memory. Objects without cycles
are freed with their last reference, also without the collector.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def gc_disabled() -> Iterator[None]:
    """Disable the cyclic garbage collector inside the block. It would traverse every object repeatedly."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
