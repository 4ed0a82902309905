"""Decisions of linking, staged and brought into the tables: of chats to contacts, of sessions to orders.

What belongs here: what writing the two has in common. What does not: what either is linked from
(contact_links.py, order_links.py) and any decision. Call it inside one transaction.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import LiteralString, NamedTuple

from psycopg import sql

from whatsapp_pipeline.domain.matching.link_types import Feature
from whatsapp_pipeline.store import queries
from whatsapp_pipeline.store.connection import Connection


class DecisionRow(NamedTuple):
    """A decision about the chat or session `id`; `target` is the contact or order."""

    id: int
    status: str
    method: str | None
    confidence: float | None
    target: int | None
    flags: list[str]


class CandidateRow(NamedTuple):
    """A contact or order that the chat or session `id` may belong to; `evidence` is JSON text."""

    id: int
    rank: int
    target: int
    confidence: float
    method: str
    evidence: str


class Tally(NamedTuple):
    """How many chats or sessions are linked alike; `linked`: they have a contact, an order."""

    status: str
    method: str | None
    linked: bool
    flags: list[str]
    rows: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where decisions are kept: the decided rows' table with two of its columns, and the candidates' table.

    `owner` is the column by which a candidate names the row it is of; `target` stands in both tables.
    """

    rows: LiteralString
    status: LiteralString
    target: LiteralString
    candidates: LiteralString
    owner: LiteralString


def write(
    conn: Connection,
    place: Place,
    update: LiteralString,
    decisions: Iterable[DecisionRow],
    candidates: Iterable[CandidateRow],
) -> tuple[int, int]:
    """Stage decisions as `decided` and bring the tables to them; only what differs is written.

    `update` names the query that changes the decided rows. Returns how many of them and of the candidates
    changed.
    """
    _fill(
        conn, "decided",
        "id bigint PRIMARY KEY, status text, method text, confidence double precision, target bigint,"
        " flags text[]", decisions, joined_by="id",
    )  # fmt: skip
    _fill(
        conn, "candidates",
        "id bigint, rank smallint, target bigint, confidence double precision, method text, evidence jsonb",
        candidates, joined_by="id, rank",
    )  # fmt: skip
    names = {name: sql.Identifier(getattr(place, name)) for name in place.__slots__}
    # A row that stays `manual` and loses its target looks like a contact or an order deleted under it to the
    # trigger that watches for that; leaving its status first tells the two apart.
    conn.execute(
        sql.SQL(
            """UPDATE {rows} r SET {status} = 'pending' FROM decided d
               WHERE r.id = d.id AND r.{status} = d.status AND r.{target} IS NOT NULL AND d.target IS NULL"""
        ).format(**names)
    )
    changed = conn.execute(queries.load(update)).rowcount
    gone, upserted = (
        conn.execute(sql.SQL(queries.load(name)).format(**names)).rowcount
        for name in ("links/link_candidates_gone", "links/link_candidates_upsert")
    )
    return changed, gone + upserted


def _fill(
    conn: Connection,
    table: LiteralString,
    columns: LiteralString,
    rows: Iterable[Sequence[object]],
    *,
    joined_by: LiteralString,
) -> None:
    """Make the temporary `table` of `columns` (with types), copy `rows` into it, and know what joins use."""
    conn.execute(f"DROP TABLE IF EXISTS pg_temp.{table}")
    conn.execute(f"CREATE TEMP TABLE {table} ({columns}) ON COMMIT DROP")
    with conn.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
    conn.execute(f"ANALYZE {table} ({joined_by})")


def to_json(evidence: Iterable[Feature]) -> str:
    """Write a candidate's features as the `evidence` columns hold them."""
    return f"[{', '.join(map(_feature_json, evidence))}]"


# Most of a candidate's features are the same as others have: a few hundred make up a month's.
@lru_cache(maxsize=16_384)
def _feature_json(feature: Feature) -> str:
    return json.dumps(feature.as_dict(), ensure_ascii=False)
