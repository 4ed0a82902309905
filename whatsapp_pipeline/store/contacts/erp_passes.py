"""The table `erp_passes`: passes over the ERP's listings, with their progress and watermarks.

What belongs here: beginning, resuming, advancing and closing a pass, and the ids that a pass has seen. What
does not: the rows (`erp_rows`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from psycopg.types.json import Jsonb

from whatsapp_pipeline.store.connection import Connection, one_row
from whatsapp_pipeline.store.locks import lock_is_free

# The name of the lock that a run holds while it reads a resource, by resource.
LOCKS: Final = {"contatos": "tiny_contacts", "ordem-servico": "tiny_orders"}


# The ERP's times are Brazilian local times without a zone.
_BEGAN: Final = "(started_at AT TIME ZONE 'America/Sao_Paulo')"
_READ_THE_SAME: Final = """cursor_state ->> 'source' = %(source)s
    AND cursor_state ->> 'since' IS NOT DISTINCT FROM %(since)s
    AND cursor_state ->> 'pages' IS NOT DISTINCT FROM %(pages)s"""


@dataclass(slots=True)
class Pass:
    """A running pass. `state` has the data to resume it, and `resumed` is whether it was resumed."""

    id: int
    resource: str
    scope: str
    state: dict[str, Any] = field(default_factory=dict)
    resumed: bool = False


def nobody_reads(conn: Connection, resource: str) -> AbstractContextManager[bool]:
    """Yield whether no run reads the resource now. If so, no run can begin until the block ends.

    A pass with the status `running` was then killed. Otherwise another run is working on it.
    """
    return lock_is_free(conn, LOCKS[resource])


def watermark(conn: Connection, resource: str, source: str) -> datetime | None:
    """Return the time, by the ERP's clock, up to which the last complete pass has read every change, or None.

    It is also None if the watermark is more than a day later than the start of its pass. An earlier version
    of the program took such a watermark from a date in the future. Later passes then read nothing, so
    everything must be read again.
    """
    row = conn.execute(
        f"""SELECT CASE WHEN watermark <= {_BEGAN} + interval '1 day' THEN watermark END FROM erp_passes
           WHERE resource = %s AND status = 'complete' AND watermark IS NOT NULL
             AND cursor_state ->> 'source' = %s
           ORDER BY id DESC LIMIT 1""",
        (resource, source),
    ).fetchone()
    return row[0] if row else None


def is_unfinished(conn: Connection, resource: str, scope: str, source: str) -> bool:
    """Return whether the newest pass of this resource has this scope and source, and can be resumed.

    It must be incomplete and have begun less than a day ago. `begin` also compares the period and saved
    pages.
    """
    row = conn.execute(
        """SELECT scope = %s AND status <> 'complete' AND started_at > now() - interval '1 day'
                  AND cursor_state ->> 'source' = %s
           FROM erp_passes WHERE resource = %s ORDER BY id DESC LIMIT 1""",
        (scope, source, resource),
    ).fetchone()
    return bool(row and row[0])


def last_equal_pass(conn: Connection, resource: str, state: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the state of the newest pass of this resource, or None.

    It is None if that pass is not complete, or if its source, period or saved pages differ from `state`.
    """
    row = conn.execute(
        f"""SELECT cursor_state FROM erp_passes
            WHERE id = (SELECT max(id) FROM erp_passes WHERE resource = %(resource)s)
              AND status = 'complete' AND {_READ_THE_SAME}""",
        {"resource": resource, **_what_is_read(state)},
    ).fetchone()
    return row[0] if row else None


def begin(conn: Connection, resource: str, scope: str, state: dict[str, Any]) -> Pass:
    """Resume the last pass of this resource, or begin one with `state`.

    The last pass is resumed if it is not complete, began less than a day ago, and has the same scope, source,
    period and saved pages. The caller holds the lock, so a pass with the status `running` was killed.
    """
    row = conn.execute(
        f"""SELECT id, cursor_state FROM erp_passes
            WHERE id = (SELECT max(id) FROM erp_passes WHERE resource = %(resource)s)
              AND scope = %(scope)s AND status <> 'complete' AND started_at > now() - interval '1 day'
              AND {_READ_THE_SAME}""",
        {"resource": resource, "scope": scope, **_what_is_read(state)},
    ).fetchone()
    if row is not None:
        conn.execute("UPDATE erp_passes SET status = 'running', finished_at = NULL WHERE id = %s", (row[0],))
        return Pass(row[0], resource, scope, row[1], resumed=True)
    row = one_row(
        conn.execute(
            """INSERT INTO erp_passes (resource, scope, status, cursor_state, started_at)
           VALUES (%s, %s, 'running', %s, clock_timestamp()) RETURNING id""",
            (resource, scope, Jsonb(state)),
        )
    )
    return Pass(row[0], resource, scope, state)


def _what_is_read(state: Mapping[str, Any]) -> dict[str, Any]:
    return {"source": state["source"], "since": state.get("since"), "pages": state.get("pages")}


def advance(conn: Connection, run: Pass, listing: str, sweep: int, ids: Iterable[int]) -> None:
    """Store the progress of the pass, and the ids of its current page."""
    conn.execute("UPDATE erp_passes SET cursor_state = %s WHERE id = %s", (Jsonb(run.state), run.id))
    conn.execute(
        """INSERT INTO erp_pass_items (id_pass, listing, sweep, id_item)
           SELECT %s, %s, %s, unnest(%s::bigint[]) ON CONFLICT DO NOTHING""",
        (run.id, listing, sweep, list(ids)),
    )


def seen(conn: Connection, run: Pass, listing: str, sweep: int) -> set[int]:
    """Return the ids that were seen in one sweep (one reading) of a listing."""
    rows = conn.execute(
        "SELECT id_item FROM erp_pass_items WHERE id_pass = %s AND listing = %s AND sweep = %s",
        (run.id, listing, sweep),
    )
    return {row[0] for row in rows}


def count_seen(conn: Connection, run: Pass, listing: str | None = None) -> int:
    """Return the number of different ids that were seen in one listing, or in all listings."""
    row = conn.execute(
        """SELECT count(DISTINCT id_item) FROM erp_pass_items
           WHERE id_pass = %s AND (%s::text IS NULL OR listing = %s)""",
        (run.id, listing, listing),
    ).fetchone()
    return int(row[0]) if row else 0


def began(conn: Connection, run: Pass) -> datetime:
    """Return the start of the pass by the database's clock, in the ERP's local time without a zone."""
    row = one_row(conn.execute(f"SELECT {_BEGAN} FROM erp_passes WHERE id = %s", (run.id,)))
    found: datetime = row[0]
    return found.replace(microsecond=0)


def elapsed_seconds(conn: Connection, run: Pass) -> float:
    """Return the seconds since the pass began, including its interruptions."""
    row = conn.execute(
        "SELECT extract(epoch FROM clock_timestamp() - started_at)::float8 FROM erp_passes WHERE id = %s",
        (run.id,),
    ).fetchone()
    return float(row[0]) if row else 0.0


def complete(conn: Connection, run: Pass, *, until: datetime | None, items: int, expected: int) -> None:
    """Close a complete pass and store its watermark.

    Delete its ids, and older passes that are not complete.
    """
    conn.execute(
        """UPDATE erp_passes SET status = 'complete', watermark = %s, items = %s, expected = %s,
               cursor_state = %s, finished_at = clock_timestamp() WHERE id = %s""",
        (until, items, expected, Jsonb(run.state), run.id),
    )
    conn.execute("DELETE FROM erp_pass_items WHERE id_pass = %s", (run.id,))
    conn.execute(
        "DELETE FROM erp_passes WHERE resource = %s AND id < %s AND status <> 'complete'",
        (run.resource, run.id),
    )


def fail_pass(conn: Connection, run: Pass, *, items: int, expected: int) -> None:
    """Close a failed pass. The next run can resume it after the last stored page."""
    conn.execute(
        """UPDATE erp_passes SET status = 'failed', items = %s, expected = %s, finished_at = clock_timestamp()
           WHERE id = %s""",
        (items, expected, run.id),
    )
