"""What the phone model learns from: how many contacts people called right and wrong, by the kind of phone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from whatsapp_pipeline.domain.matching.phone_reliability import MethodVerdicts
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.links import models

# Verdicts in order: contact, method, verdict, status of the chat at that time, and whether it was withdrawn.
VERDICTS: tuple[tuple[int | None, str, str, str, bool], ...] = (
    (1, "exact_phone", "right", "linked", False),
    (1, "exact_phone", "right", "linked", False),  # another chat of the same contact counts once
    (2, "exact_phone", "right", "linked", False),
    (3, "exact_phone", "right", "linked", False),
    (3, "exact_phone", "wrong", "linked", False),  # the newest counts
    (1, "normalized_phone", "wrong", "linked", False),  # and each method by itself
    (1, "normalized_phone", "right", "linked", False),
    (2, "secondary_phone", "wrong", "linked", False),
    (4, "phone_header", "right", "linked", False),
    (4, "phone_header", "wrong", "linked", True),  # a verdict that was withdrawn hides no other
    (4, "phone_header", "unsure", "linked", False),  # nor does one that decides nothing
    (5, "phone_header", "right", "proposed", False),
    (5, "phone_header", "right", "linked", True),
    (5, "phone_header", "unsure", "linked", False),
    (None, "phone_header", "wrong", "linked", False),
    (6, "name", "right", "linked", False),
)


@pytest.fixture(scope="module")
def judged(database_url: str) -> Iterator[Connection]:
    with connect(database_url) as conn:
        conn.execute(
            "INSERT INTO chat_files (id, filename, file_path, month) OVERRIDING SYSTEM VALUE"
            " VALUES (1, 'a', 'a', '2025-01')"
        )
        for contact, method, verdict, status, is_withdrawn in VERDICTS:
            conn.execute(
                "INSERT INTO review_verdicts (id_chat_file, id_contato, match_method, verdict, match_status,"
                " withdrawn_at) VALUES (1, %s, %s, %s, %s, CASE WHEN %s THEN now() END)",
                (contact, method, verdict, status, is_withdrawn),
            )
        yield conn


def test_contacts_are_counted_by_method_and_newest_verdict(judged: Connection) -> None:
    assert models.phone_verdicts(judged) == [
        MethodVerdicts("exact_phone", right=2, wrong=1),
        MethodVerdicts("normalized_phone", right=1, wrong=0),
        MethodVerdicts("phone_header", right=1, wrong=0),
        MethodVerdicts("secondary_phone", right=0, wrong=1),
    ]
