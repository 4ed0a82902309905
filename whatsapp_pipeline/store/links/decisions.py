"""Writing decisions of linking: chats to contacts, sessions to orders.

What belongs here: writing both kinds. What does not: reading evidence (contact_links.py, order_links.py) and
deciding. Call it inside one transaction.
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
    """A decision on the chat or session `id`. `target` is the contact or order."""

    id: int
    status: str
    method: str | None
    confidence: float | None
    target: int | None
    flags: list[str]


class CandidateRow(NamedTuple):
    """A candidate (contact or order) for the chat or session `id`. `evidence` is JSON text."""

    id: int
    rank: int
    target: int
    confidence: float
    method: str
    evidence: str


class Tally(NamedTuple):
    """The number of chats or sessions with equal links. `linked` is whether they have a contact or order."""

    status: str
    method: str | None
    linked: bool
    flags: list[str]
    rows: int


@dataclass(frozen=True, slots=True)
class DecisionTables:
    """The names of the table of decided rows, of two of its columns, and of the table of candidates.

    `owner` is the candidates' column with the id of the decided row. Both tables have the column `target`.
    """

    rows: LiteralString
    status: LiteralString
    target: LiteralString
    candidates: LiteralString
    owner: LiteralString


def write_decisions(
    conn: Connection,
    tables: DecisionTables,
    update: LiteralString,
    decisions: Iterable[DecisionRow],
    candidates: Iterable[CandidateRow],
) -> tuple[int, int]:
    """Stage decisions in the table `decided`, and write the differences to the tables.

    `update` names the query that updates the decided rows. Return (number of changed rows, number of changed
    candidates).
    """
    _fill(
        conn,
        "decided",
        "id bigint PRIMARY KEY, status text, method text, confidence double precision, target bigint,"
        " flags text[]",
        decisions,
        joined_by="id",
    )
    _fill(
        conn,
        "candidates",
        "id bigint, rank smallint, target bigint, confidence double precision, method text, evidence jsonb",
        candidates,
        joined_by="id, rank",
    )
    names = {name: sql.Identifier(getattr(tables, name)) for name in tables.__slots__}
    # If a `manual` row loses its target, a trigger assumes that the contact or order was deleted. Setting
    # another status first prevents this.
    conn.execute(
        sql.SQL(
            """UPDATE {rows} r SET {status} = 'pending' FROM decided d
               WHERE r.id = d.id AND r.{status} = d.status AND r.{target} IS NOT NULL AND d.target IS NULL"""
        ).format(**names)
    )
    changed = conn.execute(queries.load(update)).rowcount
    deleted, upserted = (
        conn.execute(sql.SQL(queries.load(name)).format(**names)).rowcount
        for name in ("links/link_candidates_gone", "links/link_candidates_upsert")
    )
    return changed, deleted + upserted


def _fill(
    conn: Connection,
    table: LiteralString,
    columns: LiteralString,
    rows: Iterable[Sequence[object]],
    *,
    joined_by: LiteralString,
) -> None:
    """Create the temporary `table` with `columns`, copy `rows` into it, and analyze the columns of joins."""
    conn.execute(f"DROP TABLE IF EXISTS pg_temp.{table}")
    conn.execute(f"CREATE TEMP TABLE {table} ({columns}) ON COMMIT DROP")
    with conn.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
    conn.execute(f"ANALYZE {table} ({joined_by})")


def to_json(evidence: Iterable[Feature]) -> str:
    """Return a candidate's features as JSON for the `evidence` columns."""
    return f"[{', '.join(map(_feature_json, evidence))}]"


# The results are cached, because a month has only some hundreds of distinct features.
@lru_cache(maxsize=16_384)
def _feature_json(feature: Feature) -> str:
    return json.dumps(feature.as_dict(), ensure_ascii=False)
