"""The manual review sample and what people said of it.

What belongs here: which chats of a month a person should look at, and verdicts. What does not: the page that
shows them (report/), and chats in doubt that wait for a decision (review.py).

The sample is 10 % of the month's chats or 20, whichever is more, and every chat with warnings besides. It is
drawn by a hash of the path, stratified by what the title holds, so it is the same every time and hardly
changes when files are added.
"""

from __future__ import annotations

from typing import NamedTuple

from whatsapp_pipeline.store import queries
from whatsapp_pipeline.store.connection import Connection

SHARE = 0.10
LEAST = 20


class SampleRow(NamedTuple):
    """A chat of the review sample; `verdict` is the newest one on the link as it is now, None when none."""

    id_chat_file: int
    month: str
    stratum: str
    file_path: str
    title: str | None
    messages: int | None
    match_status: str
    match_method: str | None
    match_confidence: float | None
    id_contato: int | None
    contact_name: str | None
    id_ordem_servico: int | None
    warnings: list[str]
    verdict: str | None
    reviewer: str | None


class Agreement(NamedTuple):
    """Verdicts on links as they are now; `right` and `wrong` are those that say so."""

    sampled: int
    reviewed: int
    right: int
    wrong: int
    unsure: int

    @property
    def rate(self) -> float | None:
        """Share of decided verdicts that agree; None without any."""
        decided = self.right + self.wrong
        return self.right / decided if decided else None


def sample(conn: Connection, month: str) -> list[SampleRow]:
    """Return the review sample of a month, in a stable order: warnings first."""
    rows = conn.execute(
        queries.load("links/review_sample"), {"month": month, "share": SHARE, "least": LEAST}
    ).fetchall()
    return [SampleRow(*row) for row in rows]


def agreement_of(rows: list[SampleRow]) -> Agreement:
    """Count the verdicts on a sample."""
    verdicts = [row.verdict for row in rows]
    return Agreement(
        len(verdicts),
        sum(verdict is not None for verdict in verdicts),
        verdicts.count("right"),
        verdicts.count("wrong"),
        verdicts.count("unsure"),
    )


def agreement(conn: Connection, month: str) -> Agreement:
    """Count the verdicts on a month's sample."""
    return agreement_of(sample(conn, month))


def record(conn: Connection, id_chat_file: int, verdict: str, *, note: str | None, reviewer: str) -> bool:
    """Record what a person said of a chat's link as it is now; False when there is no such chat."""
    return (
        conn.execute(
            """
            INSERT INTO review_verdicts (id_chat_file, verdict, match_status, match_method, match_confidence,
                                         id_contato, id_ordem_servico, note, reviewer)
            SELECT id, %s, match_status, match_method, match_confidence, id_contato, id_ordem_servico, %s, %s
            FROM chat_files WHERE id = %s
            """,
            (verdict, note, reviewer, id_chat_file),
        ).rowcount
        == 1
    )
