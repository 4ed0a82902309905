"""The table `link_overrides`: people's decisions, stored permanently as an audit.

What belongs here: adding, listing and withdrawing decisions, and the chats of a decision. The functions of
the database that do this (`override_link`, `remove_override`) can also be called in SQL. What does not: the
effect of a decision (domain/matching), and making one (steps/links/decide.py).
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import LiteralString, NamedTuple

import psycopg

from whatsapp_pipeline.domain.matching.overrides import PersonDecision
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.store import queries
from whatsapp_pipeline.store.connection import Connection, one_row

# Condition that the decision `o` applies to the chat `f`. For a chat without a phone in its title, the most
# frequent phone of its headers is used. link_overrides_for.sql has the same condition for staged chats.
ABOUT: LiteralString = """(
    (o.target_kind = 'file' AND f.file_path = o.target
     AND coalesce(o.chat_number, f.chat_number) = f.chat_number)
    OR (o.target_kind = 'title' AND title_key(f.title) = o.target)
    OR (o.target_kind = 'phone' AND NOT f.is_group AND o.target = coalesce(f.phone_key, (
            SELECT p.key FROM chat_phones p
            WHERE p.id_chat_file = f.id AND p.key IS NOT NULL AND p.kind NOT IN ('lid', 'service')
            ORDER BY p.occurrences DESC, p.raw LIMIT 1)))
)"""

# The chats `f` to which the decision `o` applies, for a join. The rules are the same, but indexes are used.
CHATS_ABOUT: LiteralString = queries.load("links/chats_about")

# Condition that the decision `o` applies to the live conversation `f`.
ABOUT_CONVERSATION: LiteralString = """EXISTS (
    SELECT FROM conversation_identities i
     WHERE i.conversation_id = f.id
       AND (o.target_kind = 'conversation' AND o.target = i.phone_number_id || '/' || i.canonical
            OR o.target_kind = 'phone' AND o.target = i.phone_key))"""


class Override(NamedTuple):
    """A stored decision. `removed_at` is None while the decision is in force.

    `superseded_by` is the decision that replaced it. If `removed_at` is set and `superseded_by` is not, a
    person withdrew the decision.
    """

    id: int
    target_kind: str
    target: str
    chat_number: int | None
    session_number: int | None
    decision: str
    id_contato: int | None
    id_ordem_servico: int | None
    reason: str
    made_by: str
    made_at: datetime
    removed_at: datetime | None
    removed_by: str | None
    removed_reason: str | None
    nobody_kind: str | None
    superseded_by: int | None


class NewOverride(NamedTuple):
    """A decision to add. `id` is the contact or order.

    `target` is a path, a phone key, a title or `account/identity` of a live conversation, by `target_kind`.
    """

    target_kind: str
    target: str
    decision: str
    id: int | None
    reason: str
    made_by: str
    chat_number: int | None = None
    session_number: int | None = None
    nobody_kind: str | None = None


class ChatInScope(NamedTuple):
    """A chat to which a decision applies, with the number of its messages and its current contact."""

    id_chat_file: int
    month: str
    messages: int
    id_contato: int | None


def about_staged(conn: Connection, query: str) -> dict[int, list[PersonDecision]]:
    """Return the decisions in force on each staged chat or session with decisions.

    `query` selects the chat or session, and then the fields of a PersonDecision.
    """
    found: defaultdict[int, list[PersonDecision]] = defaultdict(list)
    for row in conn.execute(queries.load(query)):
        found[row[0]].append(PersonDecision(*row[1:]))
    return dict(found)


def insert_override(conn: Connection, new: NewOverride) -> int:
    """Add a decision and return its id. It replaces the decision in force on the same question.

    Raises PipelineError if the contact or order does not exist, or the decision is invalid.
    """
    try:
        made = conn.execute("SELECT override_link(%s, %s, %s, %s, %s, %s, %s, %s, %s)", tuple(new))
    except psycopg.errors.CheckViolation as error:
        rule = (error.diag.constraint_name or "").replace("_", " ")
        raise PipelineError(f"override: refused by the rule “{rule}”") from error
    except (psycopg.errors.ForeignKeyViolation, psycopg.errors.InvalidParameterValue) as error:
        raise PipelineError(f"override: {error.diag.message_primary}") from error
    return int(one_row(made)[0])


def withdraw_override(conn: Connection, id_: int, *, reason: str, removed_by: str) -> bool:
    """Withdraw a decision, but keep its row. Return False if it was already withdrawn.

    The decision that it replaced is in force again. If a replaced decision is withdrawn, the newer decision
    stays in force. If the newer one is withdrawn later, the withdrawn decision does not come back.
    """
    row = conn.execute("SELECT remove_override(%s, %s, %s)", (id_, reason, removed_by)).fetchone()
    return bool(row and row[0])


def list_all(conn: Connection, *, removed: bool = False) -> list[Override]:
    """Return the decisions in force, or all decisions, oldest first."""
    columns = ", ".join(Override._fields)
    rows = conn.execute(
        f"SELECT {columns} FROM link_overrides WHERE %s OR removed_at IS NULL ORDER BY id", (removed,)
    )
    return [Override(*row) for row in rows]


def chats_of(conn: Connection, id_: int) -> list[tuple[str, int]]:
    """Return the number of chats to which a decision applies, by month."""
    return conn.execute(
        f"""SELECT f.month, count(*) FROM link_overrides o CROSS JOIN {CHATS_ABOUT}
            WHERE o.id = %s GROUP BY f.month ORDER BY f.month""",
        (id_,),
    ).fetchall()


def chats_about(conn: Connection, id_: int) -> list[ChatInScope]:
    """Return the chats to which a decision applies, by id. The decision need not be in force."""
    rows = conn.execute(
        f"""SELECT f.id, f.month, coalesce(f.message_count, 0), f.id_contato
            FROM link_overrides o CROSS JOIN {CHATS_ABOUT}
            WHERE o.id = %s AND f.processing_status <> 'vanished' ORDER BY f.id""",
        (id_,),
    )
    return [ChatInScope(*row) for row in rows]


def chats_of_target(conn: Connection, kind: str, target: str, chat_number: int | None) -> list[ChatInScope]:
    """Return the chats to which a decision on `target` would apply, by id."""
    rows = conn.execute(
        f"""SELECT f.id, f.month, coalesce(f.message_count, 0), f.id_contato
            FROM (SELECT %s::text AS target_kind, %s::text AS target, %s::int AS chat_number) o
            CROSS JOIN {CHATS_ABOUT}
            WHERE f.processing_status <> 'vanished' ORDER BY f.id""",
        (kind, target, chat_number),
    )
    return [ChatInScope(*row) for row in rows]


def in_force_about(conn: Connection, id_chat_file: int) -> list[Override]:
    """Return the decisions in force on a chat or its sessions, oldest first."""
    columns = ", ".join(f"o.{column}" for column in Override._fields)
    rows = conn.execute(
        f"""SELECT {columns} FROM link_overrides o JOIN chat_files f ON {ABOUT}
            WHERE f.id = %s AND o.removed_at IS NULL ORDER BY o.id""",
        (id_chat_file,),
    )
    return [Override(*row) for row in rows]


def title_key(conn: Connection, title: str) -> str:
    """Return the key of a title for decisions, which ignores case and repeated blanks."""
    row = conn.execute("SELECT title_key(%s)", (title,)).fetchone()
    return str(row[0]) if row else ""


def find_override(conn: Connection, id_: int) -> Override | None:
    """Return a decision by its id, or None."""
    columns = ", ".join(Override._fields)
    row = conn.execute(f"SELECT {columns} FROM link_overrides WHERE id = %s", (id_,)).fetchone()
    return Override(*row) if row else None


def path_of(conn: Connection, path: str) -> list[str]:
    """Return up to five archive paths that equal `path` or end with `/` and `path`."""
    rows = conn.execute(
        """SELECT DISTINCT file_path FROM chat_files
           WHERE file_path = %(path)s OR right(file_path, length(%(path)s) + 1) = '/' || %(path)s
           ORDER BY file_path LIMIT 5""",
        {"path": path},
    )
    return [row[0] for row in rows]
