"""The table `link_models` of fitted models, and the data they are fitted on.

What belongs here: storing models, reading contacts' names and people's decisions. What does not: fitting.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from whatsapp_pipeline.domain.matching.phone_reliability import MethodVerdicts
from whatsapp_pipeline.store import queries
from whatsapp_pipeline.store.connection import Connection, one_row


class StoredModel(NamedTuple):
    """A fitted model.

    `model` is JSON text. `contacts` and `overrides` are the number of contacts and of decisions of the fit.
    """

    id: int
    version: str
    fitted_at: datetime
    seed: int
    contacts: int
    overrides: int
    model: str
    reliability: list[dict[str, Any]]


def newest(conn: Connection, kind: str) -> StoredModel | None:
    """Return the newest model of a kind (`names`, `orders`, `phones`), or None."""
    row = conn.execute(
        """SELECT id, version, fitted_at, seed, contacts, overrides, model::text, reliability
           FROM link_models WHERE kind = %s ORDER BY id DESC LIMIT 1""",
        (kind,),
    ).fetchone()
    return StoredModel(*row) if row else None


def save(
    conn: Connection,
    kind: str,
    *,
    version: str,
    seed: int,
    contacts: int,
    overrides: int,
    model: str,
    reliability: Sequence[dict[str, Any]],
) -> int:
    """Store a fitted model as the newest of its kind, and return its id."""
    row = one_row(
        conn.execute(
            """INSERT INTO link_models (kind, version, seed, contacts, overrides, model, reliability)
           VALUES (%s, %s, %s, %s, %s, %s::jsonb, %s::jsonb) RETURNING id""",
            (kind, version, seed, contacts, overrides, model, json.dumps(list(reliability))),
        )
    )
    return int(row[0])


def all_contact_names(conn: Connection) -> list[tuple[int, str, str]]:
    """Return (id, nome, fantasia) of every contact with a name, by id."""
    return conn.execute(
        """SELECT DISTINCT ON (id) id, coalesce(nome, ''), coalesce(fantasia, '') FROM contatos
           WHERE id IS NOT NULL AND concat(nome, fantasia) <> ''
           ORDER BY id, nome, fantasia"""
    ).fetchall()


def count_named_contacts(conn: Connection) -> int:
    """Return the number of contacts with a name."""
    row = conn.execute(
        "SELECT count(DISTINCT id) FROM contatos WHERE id IS NOT NULL AND concat(nome, fantasia) <> ''"
    ).fetchone()
    return int(row[0]) if row else 0


def phone_verdicts(conn: Connection) -> list[MethodVerdicts]:
    """Return people's verdicts on links, by phone method."""
    return [MethodVerdicts(*row) for row in conn.execute(queries.load("links/judged_phones"))]


def decided_titles(conn: Connection) -> list[tuple[str, int | None]]:
    """Return the titles that people decided, as sorted pairs (title, contact). The contact may be None.

    The sources are decisions on titles and files, and "right" verdicts on links by the rules. The
    contact is None if the person decided that no contact fits, or refused the contact of a chat and made no
    later decision. These pairs make the model trust such titles less.
    """
    return conn.execute(queries.load("links/judged_titles")).fetchall()
