"""Every way to damage a delivery: each JSON path deleted or given another shape."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from whatsapp_pipeline_tests.webhook.deliveries import NOON, SENDER, delivery, status, text

SAMPLE = delivery(
    text("w1", "um", context={"id": "w0"}),
    {"from": SENDER, "id": "w2", "timestamp": str(NOON), "type": "image", "image": {"caption": "x"}},
    contacts=[{"profile": {"name": "Ana"}, "wa_id": SENDER, "user_id": "BR.1"}],
    statuses=[status("w9", "delivered")],
    errors=[{"code": 1}],
)
SAMPLE["entry"].append(delivery(text("sibling", "irmã", sender="5541988880000"), account="acc-2")["entry"][0])


def paths(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if at:
        yield at
    for key, child in (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    ):
        yield from paths(child, (*at, key))


DELETED = object()
SHAPES: list[Any] = [
    DELETED,
    None,
    [],
    {},
    7,
    -1,
    1e9,
    "",
    "x",
    True,
    [None],
    [[]],
    {"a": {}},
    "\0\ud800",
    10**40,
]


def damaged() -> Iterator[tuple[tuple[Any, ...], Any, Any]]:
    """Yield (path, shape, the sample with that path so changed)."""
    for path in paths(SAMPLE):
        for shape in SHAPES:
            broken = copy.deepcopy(SAMPLE)
            place: Any = broken
            for key in path[:-1]:
                place = place[key]
            if shape is DELETED:
                del place[path[-1]]
            else:
                place[path[-1]] = shape
            yield path, shape, broken
