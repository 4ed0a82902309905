"""The sample of a month's chats for manual review, and verdicts on it.

What belongs here: drawing the sample, and storing verdicts. What does not: showing the sample, and chats that
wait for a decision (review.py).

The sample has 10 % of the month's chats, but at least 20, and every chat with warnings. It is drawn by a hash
of the path and stratified by the kind of title. So it is the same every time, and changes little when files
are added.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from whatsapp_pipeline.store import queries
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.links.overrides import Override

SHARE = 0.10
LEAST = 20
TOLERATED_DISAGREEMENT = 0.05
"""Maximum share of "wrong" verdicts on a month's sample.

With a larger share, the check and the checkpoint fail.
"""


class SampleRow(NamedTuple):
    """A chat of the review sample. `verdict` is the newest verdict on its current link.

    A verdict that changed the link, as "wrong" does, counts until it is withdrawn.
    """

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
    """The number of chats in a sample, of those with a verdict on the current link, and of each verdict."""

    sampled: int
    reviewed: int
    right: int
    wrong: int
    unsure: int

    @property
    def rate(self) -> float | None:
        """Share of "right" among the verdicts "right" and "wrong", or None if there is neither."""
        decided = self.right + self.wrong
        return self.right / decided if decided else None


def review_sample(conn: Connection, month: str) -> list[SampleRow]:
    """Return the review sample of a month, chats with warnings first, in a stable order."""
    return samples(conn, [month])


def samples(conn: Connection, months: Sequence[str]) -> list[SampleRow]:
    """Return the review samples of several months, by month."""
    rows = conn.execute(
        queries.load("links/review_sample"), {"months": list(months), "share": SHARE, "least": LEAST}
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


def count_verdicts(conn: Connection, month: str) -> Agreement:
    """Count the verdicts on a month's sample."""
    return agreement_of(review_sample(conn, month))


def record_verdict(
    conn: Connection,
    id_chat_file: int,
    verdict: str,
    *,
    note: str | None,
    reviewer: str,
    id_override: int | None = None,
    is_blind: bool = False,
) -> bool:
    """Store a verdict on a chat's current link. Return False if the chat does not exist.

    `id_override` is the decision that belongs to the verdict. Withdrawing one of them withdraws the other.
    """
    return (
        conn.execute(
            """
            INSERT INTO review_verdicts (id_chat_file, verdict, match_status, match_method, match_confidence,
                                         id_contato, id_ordem_servico, note, reviewer, id_override, is_blind)
            SELECT id, %s, match_status, match_method, match_confidence, id_contato, id_ordem_servico, %s, %s,
                   %s, %s
            FROM chat_files WHERE id = %s
            """,
            (verdict, note, reviewer, id_override, is_blind, id_chat_file),
        ).rowcount
        == 1
    )


def record_decision(conn: Connection, decision: Override, chats: Sequence[int]) -> int:
    """Store the verdicts on links of the rules that follow from a decision. Return their number.

    A link to the decided contact is right, and a link to another contact is wrong. After a refusal, only a
    link to the refused contact is wrong. Call it before the decision is written to the links.
    """
    return conn.execute(
        """
        INSERT INTO review_verdicts (id_chat_file, verdict, match_status, match_method, match_confidence,
                                     id_contato, id_ordem_servico, note, reviewer, id_override)
        SELECT id,
               CASE WHEN %(refuses)s OR id_contato IS DISTINCT FROM %(contact)s THEN 'wrong' ELSE 'right' END,
               match_status, match_method, match_confidence, id_contato, id_ordem_servico, %(reason)s, %(by)s,
               %(decision)s
        FROM chat_files
        WHERE id = ANY(%(chats)s) AND match_status = 'linked'
          AND (NOT %(refuses)s OR id_contato = %(contact)s)
        """,
        {
            "contact": decision.id_contato,
            "refuses": decision.decision == "not_contact",
            "reason": decision.reason,
            "by": decision.made_by,
            "decision": decision.id,
            "chats": list(chats),
        },
    ).rowcount
