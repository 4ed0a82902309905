"""The order model as the database keeps it, and what a month's links rest on."""

from __future__ import annotations

import csv
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.link.order_simulation import Clues, Task, reference
from whatsapp_pipeline.cli.link import link
from whatsapp_pipeline.domain.matching.order_model import SessionToLink, default_model
from whatsapp_pipeline.steps.link_orders import OrderLinkOptions, link_orders_month
from whatsapp_pipeline.steps.order_evidence import order_model
from whatsapp_pipeline.store import models
from whatsapp_pipeline.store.connection import Connection, connect

LOG = logging.getLogger(__name__)
# No clue but the date, so that the database and a list of titles know the same.
SILENT = Clues(device=0, number=0, stage=0, other_device=0, other_stage=0, unrelated=0.3)


def _phone(contact: int) -> str:
    return f"+55 41 99{contact:03}-0000"


@pytest.fixture
def task() -> Task:
    return reference(3, 60, SILENT)


@pytest.fixture
def conn(fresh_database_url: str, task: Task) -> Iterator[Connection]:
    """A database with the task's sessions, each a chat of its own month, linked to their contacts."""
    with connect(fresh_database_url) as conn:
        contacts = sorted(task.orders)
        orders = [order for own in task.orders.values() for order in own]
        conn.execute("INSERT INTO contatos (id, nome) SELECT unnest(%s::int[]), 'X'", (contacts,))
        conn.execute(
            """INSERT INTO ordens_servico (id, id_contato, numero_ordem_servico, data_emissao, data_conclusao)
               SELECT * FROM unnest(%s::int[], %s::int[], %s::text[], %s::date[], %s::date[])""",
            (
                [o.id for o in orders], [o.id_contato for o in orders], [o.number for o in orders],
                [o.opened for o in orders], [o.closed for o in orders],
            ),
        )  # fmt: skip
        days = [session.first_day for session in task.sessions]
        conn.execute(
            """WITH said AS (
                   SELECT * FROM unnest(%s::int[], %s::int[], %s::date[]) AS t(id, contact, day)
               ), files AS (
                   INSERT INTO chat_files (filename, file_path, month, title, id_contato, match_status)
                   SELECT id::text, id::text, to_char(day, 'YYYY-MM'), 'T', contact, 'linked' FROM said
                   RETURNING id, file_path
               )
               INSERT INTO chat_sessions (id_chat_file, number, started_at, ended_at, message_count)
               SELECT f.id, 1, s.day + time '10:00', s.day + time '11:00', 3
               FROM files f JOIN said s ON s.id::text = f.file_path ORDER BY s.id""",
            ([s.id for s in task.sessions], [s.id_contato for s in task.sessions], days),
        )
        yield conn


def _months(conn: Connection) -> list[str]:
    return [month for (month,) in conn.execute("SELECT DISTINCT month FROM chat_files ORDER BY month")]


def _links(conn: Connection) -> dict[int, tuple[int | None, float | None]]:
    rows = conn.execute(
        """SELECT f.file_path::int, s.id_ordem_servico, s.order_match_confidence
           FROM chat_sessions s JOIN chat_files f ON f.id = s.id_chat_file"""
    )
    return {session: (order, confidence) for session, order, confidence in rows}


def test_no_link_depends_on_the_order_of_the_months(conn: Connection) -> None:
    months = _months(conn)
    for month in reversed(months):
        link_orders_month(conn, month, OrderLinkOptions(), log=LOG)
    backwards = _links(conn)
    conn.execute("DELETE FROM link_stamps")
    changed = [link_orders_month(conn, month, OrderLinkOptions(), log=LOG) for month in months]
    assert sum(report.sessions_changed for report in changed) == 0
    assert _links(conn) == backwards
    assert sum(order is not None for order, _ in backwards.values()) > 400


def test_the_model_is_fitted_when_asked_and_kept(conn: Connection) -> None:
    assert order_model(conn, refit=False, log=LOG) == default_model()
    assert models.newest(conn, "orders") is None
    fitted = order_model(conn, refit=True, log=LOG)
    stored = models.newest(conn, "orders")
    assert stored is not None
    assert stored.reliability
    assert fitted != default_model()
    conn.execute("DELETE FROM chat_files WHERE file_path::int % 3 = 0")
    assert order_model(conn, refit=False, log=LOG) == fitted
    assert models.newest(conn, "orders") == stored


def test_a_few_sessions_leave_the_usual_model_and_keep_nothing(conn: Connection) -> None:
    conn.execute("DELETE FROM chat_files WHERE file_path::int > 100")
    order_model(conn, refit=True, log=LOG)
    assert models.newest(conn, "orders") is None


def test_a_months_list_of_titles_is_linked_as_the_database_links_the_month(
    conn: Connection, task: Task, tmp_path: Path
) -> None:
    for month in _months(conn):
        link_orders_month(conn, month, OrderLinkOptions(), log=LOG)
    kept = _links(conn)
    compared = same = 0
    for month in _months(conn)[::6]:
        sessions = [s for s in task.sessions if f"{s.first_day:%Y-%m}" == month]
        for session, row in zip(sessions, _decided(task, sessions, tmp_path), strict=True):
            order, confidence = kept[session.id]
            # A list may name a chat twice a day; the database takes that for the same export seen twice.
            assert float(row["order_confidence"] or 0) == pytest.approx(confidence or 0, abs=0.1)
            same += order is None or row["id_ordem_servico"] == str(order)
            compared += 1
    assert compared > 100
    assert same >= 0.995 * compared


def _decided(task: Task, sessions: Sequence[SessionToLink], folder: Path) -> list[dict[str, str]]:
    """Link the sessions as the command line does, from lists and without a database."""
    files: dict[str, list[tuple[object, ...]]] = {
        "contacts": [("id", "nome", "celular"), *((c, f"Contato {c}", _phone(c)) for c in task.orders)],
        "titles": [
            ("title", "date"),
            *((_phone(s.id_contato or 0), s.first_day.isoformat()) for s in sessions),
        ],
        "orders": [
            ("id", "numero_ordem_servico", "id_contato", "data_emissao", "data_conclusao", "equipamento"),
            *((o.id, o.number, o.id_contato, o.opened, o.closed or "", "")
              for own in task.orders.values() for o in own),
        ],
    }  # fmt: skip
    arguments = ["--out", str(folder / "out.csv")]
    for name, rows in files.items():
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(rows)
        arguments += [f"--{name}", str(folder / f"{name}.csv")]
    result = CliRunner().invoke(link, arguments)
    assert result.exit_code == 0, result.output
    with (folder / "out.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
