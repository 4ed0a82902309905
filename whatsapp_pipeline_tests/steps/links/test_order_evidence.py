"""The order model as the database keeps it, and what a month's links rest on."""

from __future__ import annotations

import csv
import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from whatsapp_pipeline import clock
from whatsapp_pipeline.cli.link import link
from whatsapp_pipeline.domain.matching.order_fitting import fit_orders
from whatsapp_pipeline.domain.matching.order_model import SessionToLink, default_model
from whatsapp_pipeline.steps.links.link_orders import OrderLinking, OrderLinkOptions
from whatsapp_pipeline.steps.links.order_evidence import order_model
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.links import models
from whatsapp_pipeline_tests.truth.linked_months import link_orders_month
from whatsapp_pipeline_tests.truth.order_answers import by_model, judged_by_month, measure
from whatsapp_pipeline_tests.truth.order_simulation import FEW, Clues, Task, errands, reference

pytestmark = pytest.mark.slow

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
                [o.id for o in orders],
                [o.id_contato for o in orders],
                [o.number for o in orders],
                [o.opened for o in orders],
                [o.closed for o in orders],
            ),
        )
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


def _answers(conn: Connection) -> dict[int, tuple[int | None, float]]:
    """Each session's order, linked or at least likelier than none at all, and the best one's confidence."""
    rows = conn.execute(
        """SELECT f.file_path::int, s.order_match_confidence, coalesce(s.id_ordem_servico, (
                   SELECT (array_agg(c.id_ordem_servico ORDER BY c.rank))[1] FROM order_candidates c
                   WHERE c.id_chat_session = s.id HAVING max(c.confidence) >= 1 - sum(c.confidence)))
           FROM chat_sessions s JOIN chat_files f ON f.id = s.id_chat_file"""
    )
    return {session: (order, confidence or 0.0) for session, confidence, order in rows}


def test_no_link_depends_on_the_order_of_the_months(conn: Connection) -> None:
    months = _months(conn)
    for month in reversed(months):
        link_orders_month(conn, month, OrderLinkOptions(), log=LOG)
    backwards = _links(conn)
    conn.execute("DELETE FROM link_stamps")
    changed = [link_orders_month(conn, month, OrderLinkOptions(), log=LOG) for month in months]
    assert sum(report.changed["sessions"] for report in changed) == 0
    assert _links(conn) == backwards
    assert sum(order is not None for order, _ in backwards.values()) > 400


def test_the_model_is_fitted_without_being_asked_and_kept(conn: Connection) -> None:
    assert models.newest(conn, "orders") is None
    fitted = order_model(conn, refit=False, log=LOG)
    stored = models.newest(conn, "orders")
    assert stored is not None
    assert stored.reliability
    assert fitted != default_model()
    assert order_model(conn, refit=False, log=LOG) == fitted
    assert models.newest(conn, "orders") == stored


@pytest.mark.parametrize(("divisor", "is_refitted"), [(30, False), (15, True)], ids=["1/30", "1/15"])
def test_a_model_is_fitted_again_when_a_twentieth_of_the_sessions_changed(
    conn: Connection, divisor: int, is_refitted: bool
) -> None:
    first = order_model(conn, refit=False, log=LOG)
    conn.execute("DELETE FROM chat_files WHERE file_path::int %% %s = 0", (divisor,))
    assert (order_model(conn, refit=False, log=LOG) != first) is is_refitted
    count = conn.execute("SELECT count(*) FROM link_models WHERE kind = 'orders'").fetchone()
    assert count == (1 + is_refitted,)


def test_sessions_of_the_current_quarter_wait_for_the_next(conn: Connection) -> None:
    """What is written this quarter neither decides the model nor makes it stale."""
    with clock.set_to(datetime(2023, 5, 17, tzinfo=UTC)):
        before = order_model(conn, refit=False, log=LOG)
        conn.execute(
            """DELETE FROM chat_files WHERE id IN (
                   SELECT id_chat_file FROM chat_sessions WHERE started_at >= '2023-04-01')"""
        )
        assert order_model(conn, refit=False, log=LOG) == before
        assert order_model(conn, refit=True, log=LOG) == before
    assert before.span is not None
    assert before.span[1] < "2023-04-01"


def test_no_model_is_fitted_while_a_chat_waits_for_its_contact(conn: Connection) -> None:
    conn.execute(
        """UPDATE chat_files SET match_status = 'pending', id_contato = NULL
           WHERE id = (SELECT max(id) FROM chat_files)"""
    )
    assert order_model(conn, refit=False, log=LOG) == default_model()
    assert models.newest(conn, "orders") is None
    assert order_model(conn, refit=True, log=LOG) != default_model()


def test_a_new_model_makes_every_month_stale(conn: Connection) -> None:
    months = _months(conn)
    for month in months:
        link_orders_month(conn, month, OrderLinkOptions(), log=LOG)
    kept = conn.execute("SELECT month, stamp FROM link_stamps WHERE stage = 'order_links'").fetchall()
    conn.execute("DELETE FROM chat_files WHERE file_path::int %% 4 = 0 AND month <> %s", (months[0],))
    link_orders_month(conn, months[0], OrderLinkOptions(), log=LOG)
    now = dict(conn.execute("SELECT month, stamp FROM link_stamps WHERE stage = 'order_links'").fetchall())
    assert now[months[0]] != dict(kept)[months[0]]


def test_a_model_of_another_version_is_fitted_again(conn: Connection) -> None:
    fitted = order_model(conn, refit=False, log=LOG)
    conn.execute("UPDATE link_models SET version = '1'")
    assert order_model(conn, refit=False, log=LOG) == fitted
    newest = models.newest(conn, "orders")
    assert newest is not None
    assert newest.version == str(fitted.version)


def test_a_few_sessions_leave_the_usual_model_and_keep_nothing(conn: Connection) -> None:
    conn.execute("DELETE FROM chat_files WHERE file_path::int > 100")
    order_model(conn, refit=True, log=LOG)
    assert models.newest(conn, "orders") is None


def test_the_database_links_as_the_bench_measures(conn: Connection, task: Task) -> None:
    linking = OrderLinking(OrderLinkOptions(), log=LOG)
    for month in _months(conn):
        linking.link(conn, month)
    model = order_model(conn, refit=False, log=LOG)
    assert model != default_model()
    kept = _links(conn)
    for session, (answer, confidence, _) in zip(task.sessions, judged_by_month(task, model), strict=True):
        order, kept_confidence = kept[session.id]
        assert kept_confidence or pytest.approx(confidence, abs=1e-9) == 0.0
        assert order in (answer, None)


@pytest.mark.parametrize("simulate", [reference, errands])
def test_a_refitted_model_judges_single_months_nearly_as_well_as_all_at_once(
    simulate: Callable[[int, int, Clues], Task],
) -> None:
    """Three times as much small talk as talk of orders: over the wrong days it would pass for none."""
    task = simulate(7, 300, FEW)
    model = fit_orders(task.sessions, task.orders)
    whole = measure(task, by_model, calibrated=True)
    monthly = measure(task, lambda task: judged_by_month(task, model), calibrated=True)
    assert monthly.f1 >= whole.f1 - 0.01
    assert monthly.calibration <= 0.04


def test_a_months_list_of_titles_is_linked_as_the_database_links_the_month(
    conn: Connection, task: Task, tmp_path: Path
) -> None:
    # A list of one month is too short to fit a model; a chat that waits keeps the database from fitting one.
    conn.execute(
        """INSERT INTO chat_files (filename, file_path, month, title, match_status)
           VALUES ('0', '0', '2019-01', 'T', 'pending')"""
    )
    for month in _months(conn):
        link_orders_month(conn, month, OrderLinkOptions(), log=LOG)
    kept = _answers(conn)
    orders = []
    for month in _months(conn)[::6]:
        sessions = [s for s in task.sessions if f"{s.first_day:%Y-%m}" == month]
        for session, row in zip(sessions, _decided(task, sessions, tmp_path), strict=True):
            order, confidence = kept[session.id]
            assert float(row["order_confidence"] or 0) == pytest.approx(confidence, abs=1e-6)
            assert row["id_ordem_servico"] == str(order or "")
            orders.append(order)
    assert len(orders) > 100
    assert orders.count(None) < len(orders) / 2


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
            *(
                (o.id, o.number, o.id_contato, o.opened, o.closed or "", "")
                for own in task.orders.values()
                for o in own
            ),
        ],
    }
    arguments = ["--out", str(folder / "out.csv")]
    for name, rows in files.items():
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(rows)
        arguments += [f"--{name}", str(folder / f"{name}.csv")]
    result = CliRunner().invoke(link, arguments)
    assert result.exit_code == 0, result.output
    with (folder / "out.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
