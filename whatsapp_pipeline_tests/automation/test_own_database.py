"""A new user's walk: a database of their own, the plan's tables in it, no ERP, and two months of chats.

The walk goes by the command line, by what the UI sends over GraphQL and by pages of the console, on
PostgreSQL 15 where it is installed. After each part, what is shown (`status`, `report`, `qa list`, Dagster's
checks, `customer`, `search`, `backfill --dry-run`, `review`, the console) is compared with plain counts over
the tables, written here and shared with no code of the project. The plan's tables are this project's
reconstruction.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import dagster as dg
import psycopg
import pytest
from click.testing import CliRunner
from dagster._core.execution.backfill import BulkActionStatus
from dagster._core.launcher.default_run_launcher import DefaultRunLauncher
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import ModuleTarget
from dagster._daemon.backfill import execute_backfill_iteration
from dagster_graphql.test.utils import execute_dagster_graphql
from psycopg.conninfo import make_conninfo

from whatsapp_pipeline.cli import cli
from whatsapp_pipeline.sandbox.archive import CHATS_FOLDER, write_sample
from whatsapp_pipeline.sandbox.plan import SampleOptions, World, make_world
from whatsapp_pipeline_tests.conftest import drop_database
from whatsapp_pipeline_tests.console.running import running_console, text_of
from whatsapp_pipeline_tests.postgres15 import IS_INSTALLED, serving_postgres15
from whatsapp_pipeline_tests.steps.operations.test_adopt import ANA_CHAT, ANA_FILE, PLAN

pytestmark = [pytest.mark.slow, pytest.mark.long]

MONTHS = ("2025-01", "2025-02")
OPTIONS = SampleOptions(seed=11, contacts=60, files=50, months=MONTHS)
# The second chat of the plan's rows: without it the month's files would be missing, and the run would stop.
BIA_FILE = "2025/02/WhatsApp - 2025-02-03 09 00 00 - Bia.txt"
BIA_CHAT = ANA_CHAT.replace("+55 41 99999-0001", "Bia").replace("2025-01-05", "2025-02-03")
_DAGSTER = """
storage:
  custom:
    module: whatsapp_pipeline.resources.dagster_storage
    class: PipelineDagsterStorage
    config: {}
run_coordinator:
  module: dagster._core.run_coordinator.default_run_coordinator
  class: DefaultRunCoordinator
telemetry:
  enabled: false
"""
# What a check says, recomputed: rows that it examines and rows that fail, over all months.
_CHECKS = {
    "chats_are_linked": (
        "SELECT count(*) FROM chat_files WHERE match_status <> 'group'",
        "SELECT count(*) FROM chat_files WHERE match_status = 'unmatched'",
    ),
    "every_chat_is_loaded": (
        "SELECT count(*) FROM chat_files",
        "SELECT count(*) FROM chat_files f WHERE NOT EXISTS"
        " (SELECT FROM chat_messages m WHERE m.id_chat_file = f.id) AND message_count > 0",
    ),
    "orders_have_a_contact": (
        "SELECT count(*) FROM ordens_servico",
        "SELECT count(*) FROM ordens_servico WHERE coalesce(id_contato, -1) NOT IN (SELECT id FROM contatos)",
    ),
    "phones_can_be_matched": (
        r"SELECT count(*) FROM contatos WHERE celular ~ '\d' OR telefone ~ '\d'",
        r"SELECT count(*) FROM contatos c WHERE (celular ~ '\d' OR telefone ~ '\d') AND c.id NOT IN"
        " (SELECT id_contato FROM contact_phones WHERE key IS NOT NULL)",
    ),
}
WORD = "notebook"
_SAID = r"""
    SELECT m.id FROM chat_messages m JOIN chat_files f ON f.id = m.id_chat_file
    WHERE m.duplicate_of IS NULL AND m.message_text ~* '\mnotebooks?\M'
"""
_LINKS = """
    SELECT f.id, f.match_status, f.id_contato, s.number, s.order_match_status, s.id_ordem_servico
    FROM chat_files f LEFT JOIN chat_sessions s ON s.id_chat_file = f.id ORDER BY 1, 4
"""
_MONTHS = """
    SELECT month, count(*), count(id_contato), sum((match_status = 'unmatched')::int),
           sum((match_status IN ('proposed', 'ambiguous'))::int), count(id_ordem_servico),
           (SELECT count(*) FROM chat_messages m WHERE m.id_chat_file IN
               (SELECT id FROM chat_files g WHERE g.month = f.month)),
           (SELECT count(*) FROM exceptions e WHERE e.month = f.month)
    FROM chat_files f GROUP BY month ORDER BY month
"""


@dataclass(frozen=True, slots=True)
class Shop:
    """The user's database, their archive, and the environment of every command."""

    url: str
    administrator_url: str
    environment: dict[str, str]
    workspace: WorkspaceProcessContext

    def command(self, *arguments: str, status: int = 0) -> str:
        """Run a command as the user types it; return what it says."""
        result = subprocess.run(
            [sys.executable, "-c", "from whatsapp_pipeline.cli import main; main()", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == status, (arguments, result.stdout, result.stderr)
        return result.stdout

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, autocommit=True) as conn:
            return conn.execute(statement.encode()).fetchall()

    def ask(self, query: str, **variables: Any) -> Any:
        """Return what the first field of a GraphQL query answers."""
        answer = execute_dagster_graphql(self.workspace.create_request_context(), query, variables)
        assert not answer.errors, answer.errors
        (value,) = answer.data.values()
        return value

    def finish_runs(self) -> None:
        launcher = self.workspace.instance.run_launcher
        assert isinstance(launcher, DefaultRunLauncher)
        launcher.join(timeout=300)  # type: ignore[no-untyped-call]  # Dagster's own method has no types
        assert self.failures() == []

    def failures(self) -> list[str]:
        """Return the steps that failed, with their errors, of all runs so far."""
        instance = self.workspace.instance
        return [
            f"{run.job_name} {entry.step_key}: {str(entry.dagster_event.event_specific_data)[:3000]}"
            for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]))
            for entry in instance.all_logs(run.run_id)
            if entry.dagster_event is not None and entry.dagster_event.is_failure
        ]


@pytest.fixture(scope="module")
def administrator_url(admin_url: str) -> Iterator[str]:
    """The server of the shop: the oldest that is promised, where it is installed."""
    if not IS_INSTALLED:
        yield admin_url
        return
    with serving_postgres15() as url:
        yield url


@pytest.fixture(scope="module")
def shop(administrator_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A database that a role without special rights owns, as a server's administrator hands it out."""
    home, name = tmp_path_factory.mktemp("shop"), f"loja_{uuid4().hex[:8]}"
    with psycopg.connect(administrator_url, autocommit=True) as conn:
        conn.execute(f"CREATE ROLE {name} LOGIN CREATEDB".encode())
        conn.execute(f"CREATE DATABASE {name} OWNER {name} TEMPLATE template0".encode())
    url = make_conninfo(administrator_url, dbname=name, user=name)
    write_sample(home, OPTIONS)
    shutil.rmtree(home / "erp")
    for path, text in ((ANA_FILE, ANA_CHAT), (BIA_FILE, BIA_CHAT)):
        (home / CHATS_FOLDER / path).parent.mkdir(parents=True, exist_ok=True)
        (home / CHATS_FOLDER / path).write_text(text, encoding="utf-8")
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(PLAN.encode())
        _fill(conn, make_world(OPTIONS))
    (home / "dagster.yaml").write_text(_DAGSTER, encoding="utf-8")
    own = {
        "DATABASE_URL": url,
        "CHAT_ARCHIVE": str(home / CHATS_FOLDER),
        "FIRST_MONTH": MONTHS[0],
        "PIPELINE_LOCAL_DIR": str(home),
        "DAGSTER_HOME": str(home),
    }
    target = ModuleTarget(
        module_name="whatsapp_pipeline.definitions",
        attribute=None,
        working_directory=None,
        location_name="whatsapp_pipeline.definitions",
    )
    with pytest.MonkeyPatch.context() as environment:
        for variable, value in own.items():
            environment.setenv(variable, value)
        with (
            dg.DagsterInstance.from_config(str(home)) as instance,
            WorkspaceProcessContext(instance, target) as workspace,
        ):
            yield Shop(url, make_conninfo(administrator_url, dbname=name), {**os.environ, **own}, workspace)
    for database in (name, f"{name}_dagster"):
        drop_database(administrator_url, database)
    with psycopg.connect(administrator_url, autocommit=True) as conn:
        conn.execute(f"DROP ROLE {name}".encode())


def _fill(conn: psycopg.Connection[Any], world: World) -> None:
    """Do what the shop's own program does: write contacts and orders."""
    with conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO contatos (id, nome, telefone, celular) VALUES (%s, %s, left(%s, 20), left(%s, 20))",
            [(person.id, person.name, person.telefone, person.celular) for person in world.people],
        )
        cursor.executemany(
            """INSERT INTO ordens_servico (id, numero_ordem_servico, data_emissao, equipamento, id_contato)
               VALUES (%s, %s, %s, %s, %s)""",
            [
                (order.id, order.number, order.opened, order.equipment, world.people[order.person].id)
                for order in world.orders
            ],
        )


def _differences(shop: Shop) -> list[str]:
    """Compare what is shown with plain counts; return what differs."""
    found = []

    def compare(what: str, shown: object, counted: object) -> None:
        if shown != counted:
            found.append(f"{what}: shown {shown}, in the tables {counted}")

    status = json.loads(shop.command("status", "--json"))
    for table, rows in status["tables"].items():
        compare(f"status, {table}", rows, shop.sql(f"SELECT count(*) FROM {table}")[0][0])
    months = [
        (
            m["month"],
            m["files"],
            m["linked"],
            m["unmatched"],
            m["proposed"] + m["ambiguous"],
            m["with_order"],
            m["messages"],
            m["exceptions"],
        )
        for m in status["months"]
    ]
    compare("status, months", months, shop.sql(_MONTHS))
    compare(
        "status, exceptions",
        sum(m["exceptions"] for m in status["months"]) + status["exceptions_of_no_month"],
        shop.sql("SELECT count(*) FROM exceptions")[0][0],
    )
    line = re.match(r"all months: ([\d,]+) chats, ([\d,]+) linked", shop.command("report", "--all"))
    assert line is not None
    compare(
        "report",
        tuple(int(number.replace(",", "")) for number in line.groups()),
        shop.sql("SELECT count(*), count(id_contato) FROM chat_files")[0],
    )
    found += _check_differences(shop)
    contact, customer, staff = shop.sql(
        """SELECT f.id_contato, count(*) FILTER (WHERE m.direction = 'from'),
                  count(*) FILTER (WHERE m.direction = 'to')
           FROM chat_files f JOIN chat_messages m ON m.id_chat_file = f.id
           WHERE f.id_contato IS NOT NULL AND m.duplicate_of IS NULL
           GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1"""
    )[0]
    page = shop.command("customer", str(contact))
    if f"{customer} do cliente, {staff} da equipe" not in page:
        found.append(f"customer {contact}: {customer} and {staff} in the tables; {page[:400]}")
    for options, condition in (
        ((), "true"),
        (("--contact", str(contact)), f"f.id_contato = {contact}"),
        (("--until", "2025-01-31", "--from"), "message_timestamp < '2025-02-01' AND direction = 'from'"),
    ):
        hits = shop.command("search", WORD, "--limit", "1000", "--json", *options).splitlines()
        compare(
            f"search {options}",
            sorted(json.loads(hit)["message_id"] for hit in hits),
            [id_ for (id_,) in shop.sql(f"{_SAID} AND {condition} ORDER BY m.id")],
        )
    return found


def _review_differences(shop: Shop, reviewer: str) -> list[str]:
    """Step through the first month's review as one who decides nothing; compare it with the tables."""
    # The command waits for keys of a terminal, which a process without one can't send.
    review = CliRunner(env=shop.environment).invoke(
        cli, ["review", "--month", MONTHS[0], "--by", reviewer], input="s" * 500
    )
    assert review.exit_code == 0, review.output
    said = review.output
    shown = sorted((int(chat), status) for chat, status in re.findall(r"chat (\d+): (\w+)", said))
    counted = shop.sql(
        f"""SELECT id, match_status FROM chat_files WHERE month = '{MONTHS[0]}'
            AND match_status IN ('ambiguous', 'proposed', 'unmatched', 'pending') ORDER BY id"""
    )
    sessions = sorted((int(a), int(b)) for a, b in re.findall(r"chat (\d+), session (\d+): \w+", said))
    waiting = shop.sql(
        f"""SELECT f.id, s.number FROM chat_sessions s JOIN chat_files f ON f.id = s.id_chat_file
            WHERE f.month = '{MONTHS[0]}' AND s.order_match_status NOT IN ('linked', 'manual')
              AND f.id_contato IN (SELECT id_contato FROM ordens_servico) ORDER BY 1, 2"""
    )
    assert counted
    assert waiting
    return [
        f"review: shown {seen}, in the tables {there}"
        for seen, there in ((shown, counted), (sessions, waiting))
        if seen != there
    ]


def _page_differences(shop: Shop) -> list[str]:
    """Compare pages of the console with the tables: months, a customer, an order, and a search."""
    found = []
    order, chat_messages = shop.sql(
        """SELECT s.id_ordem_servico, count(*) FROM chat_sessions s
            JOIN chat_messages m ON m.id_chat_file = s.id_chat_file
                                AND m.message_timestamp BETWEEN s.started_at AND s.ended_at
            WHERE s.id_ordem_servico IS NOT NULL AND m.duplicate_of IS NULL
            GROUP BY 1 ORDER BY 2 DESC LIMIT 1"""
    )[0]
    contact, messages = shop.sql(
        """SELECT f.id_contato, count(*) FROM chat_files f JOIN chat_messages m ON m.id_chat_file = f.id
           WHERE f.id_contato IS NOT NULL AND m.duplicate_of IS NULL GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 1"""
    )[0]
    with running_console(shop.administrator_url) as console, console.client("analyst") as client:
        home = text_of(client.get("/").text)
        for month, files, linked in shop.sql(
            "SELECT month, count(*), count(id_contato) FROM chat_files"
            " WHERE match_status <> 'group' GROUP BY 1"
        ):
            share = f"{100 * linked / files:.1f}".replace(".", ",")
            line = f"{month[5:]}/{month[:4]} {files} {linked} {share}%"
            if line not in home:
                found.append(f"home: {line} in the tables; {home[-900:]}")
        for path, counted in ((f"customers/{contact}", messages), (f"orders/{order}", chat_messages)):
            shown = client.get(f"/export/{path}").text.count("<li class=")
            if shown != counted:
                found.append(f"{path}: shown {shown} messages, in the tables {counted}")
        hits = client.get("/search", params={"q": WORD, "customer": contact}).text.count('<li class="hit">')
        counted = len(shop.sql(f"{_SAID} AND f.id_contato = {contact}"))
        if hits != counted:
            found.append(f"search page: shown {hits}, in the tables {counted}")
    return found


def _check_differences(shop: Shop) -> list[str]:
    listed = [json.loads(line) for line in shop.command("qa", "list", "--all", "--json").splitlines()]
    found = []
    for name, statements in _CHECKS.items():
        mine = [row for row in listed if row["check"] == name]
        shown = tuple(sum(row[count] for row in mine) for count in ("examined", "failing"))
        counted = tuple(shop.sql(statement)[0][0] for statement in statements)
        if shown != counted:
            found.append(f"qa list, {name}: shown {shown}, in the tables {counted}")
        states = _states_in_dagster(shop, name)
        if states not in ([], [all(row["state"] != "red" for row in mine)]):  # a table of the user's has none
            found.append(f"Dagster, {name}: {states}, qa list {[row['state'] for row in mine]}")
    return found


def _states_in_dagster(shop: Shop, name: str) -> list[bool]:
    """Return what Dagster's newest evaluation of a check says: passed or not."""
    nodes = shop.ask(
        "query { assetNodes { assetKey { path } assetChecksOrError { ... on AssetChecks { checks { name"
        " executionForLatestMaterialization { status evaluation { success } } } } } } }"
    )
    return [
        check["executionForLatestMaterialization"]["evaluation"]["success"]
        for node in nodes
        for check in node["assetChecksOrError"]["checks"]
        if check["name"] == name and check["executionForLatestMaterialization"]
    ]


def _materialize_all(shop: Shop, months: tuple[str, ...]) -> None:
    """Do what the Lineage page's "Materialize all" and the daemon do."""
    nodes = shop.ask("query { assetNodes { assetKey { path } isMaterializable } }")
    launched = shop.ask(
        "mutation($parameters: LaunchBackfillParams!) {"
        " launchPartitionBackfill(backfillParams: $parameters) {"
        " __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }",
        parameters={
            "assetSelection": [
                {"path": node["assetKey"]["path"]} for node in nodes if node["isMaterializable"]
            ],
            "partitionNames": list(months),
        },
    )
    assert launched["__typename"] == "LaunchBackfillSuccess", launched
    instance = shop.workspace.instance
    while (backfill := instance.get_backfill(launched["backfillId"])) is not None:
        if backfill.status is not BulkActionStatus.REQUESTED:
            break
        errors = list(execute_backfill_iteration(shop.workspace, logging.getLogger("backfill")))
        assert [error for error in errors if error] == []
        shop.finish_runs()
    assert backfill is not None
    assert backfill.status is BulkActionStatus.COMPLETED_SUCCESS


def _run_schedule(shop: Shop, schedule: str, job: str) -> None:
    """Do what the daemon does at the schedule's hour."""
    repository = {
        "repositoryName": "__repository__",
        "repositoryLocationName": "whatsapp_pipeline.definitions",
    }
    tick = shop.ask(
        "mutation($selector: ScheduleSelector!, $at: Float) {"
        " scheduleDryRun(selectorData: $selector, timestamp: $at) { ... on DryRunInstigationTick {"
        " evaluationResult { runRequests { runKey } error { message } } } } }",
        selector={**repository, "scheduleName": schedule},
        at=1_741_000_000.0,
    )["evaluationResult"]
    assert tick["error"] is None
    assert len(tick["runRequests"]) == 1
    launched = shop.ask(
        "mutation($parameters: ExecutionParams!) { launchPipelineExecution(executionParams: $parameters) {"
        " __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }",
        parameters={"selector": {**repository, "jobName": job}, "runConfigData": {}, "mode": "default"},
    )
    assert launched["__typename"] == "LaunchRunSuccess", launched
    shop.finish_runs()


def test_a_new_users_walk_finds_nothing_that_is_shown_and_not_so(shop: Shop) -> None:
    said = shop.command("migrate")
    assert "chat_files: 2 of 3 rows adopted; 1 could not be placed" in said

    # The first month by the command line, the second by Dagster.
    shop.command("run", "--months", MONTHS[0])
    _materialize_all(shop, MONTHS[1:])
    assert "no month is missing, failed or stale" in shop.command("backfill", "--dry-run")
    assert shop.sql("SELECT id, id_contato, match_method FROM chat_files WHERE id = 11") == [
        (11, 7, "exact_phone")
    ]
    assert _differences(shop) == []

    # The shop's program adds a customer whose chats nobody could place, and an order of another.
    key, chats, months = shop.sql(
        """SELECT phone_key, count(*), array_agg(DISTINCT month ORDER BY month) FROM chat_files
           WHERE match_status = 'unmatched' AND phone_key IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 1"""
    )[0]
    with psycopg.connect(shop.url, autocommit=True) as conn:
        conn.execute(
            "INSERT INTO contatos (id, nome, celular) VALUES (9000001, 'Nova Cliente', %s)",
            (f"({key[:2]}) 9{key[2:6]}-{key[6:]}",),
        )
    behind = shop.command("backfill", "--dry-run")
    assert all(f"{month}  " in behind and "1 contact is not normalized" in behind for month in months)
    _run_schedule(shop, "daily_contacts", "contacts")
    behind = shop.command("backfill", "--dry-run")
    assert "not normalized" not in behind
    assert all(f"{month}  contacts changed since it was linked" in behind for month in months)
    shop.command("backfill")
    assert "no month is missing, failed or stale" in shop.command("backfill", "--dry-run")
    linked = shop.sql(f"SELECT count(*) FROM chat_files WHERE phone_key = '{key}' AND id_contato = 9000001")
    assert linked == [(chats,)]
    assert _differences(shop) == []
    assert _page_differences(shop) == []

    # A reviewer finds what waits, calls one link wrong, and thinks better of it.
    assert _review_differences(shop, "ana") == []
    chat = shop.sql(f"SELECT min(id) FROM chat_files WHERE id_contato = 9000001 AND month = '{months[0]}'")[
        0
    ][0]
    links = shop.sql(_LINKS)
    assert "its contact is refused for this chat" in shop.command("review", "record", str(chat), "wrong")
    assert shop.sql(f"SELECT match_status, id_contato FROM chat_files WHERE id = {chat}") == [
        ("unmatched", None)
    ]
    # The verdict also made other links by phone less sure, and `backfill` says so.
    _backfill_after_a_verdict(shop, months[0])
    assert shop.sql(f"SELECT match_status, id_contato FROM chat_files WHERE id = {chat}") == [
        ("unmatched", None)
    ]
    assert _review_differences(shop, "bia") == []
    assert _differences(shop) == []
    refused = shop.sql("SELECT id FROM link_overrides WHERE decision = 'not_contact'")
    shop.command("override", "remove", str(refused[0][0]), "--reason", "mistaken")
    _backfill_after_a_verdict(shop, months[0])
    assert shop.sql(_LINKS) == links
    assert _differences(shop) == []
    assert _page_differences(shop) == []


def _backfill_after_a_verdict(shop: Shop, month: str) -> None:
    """Link again the months that a verdict made stale, which do not include its own month."""
    plan = shop.command("backfill", "--dry-run")
    stale = re.findall(r"^(\d{4}-\d{2})  (.*)$", plan, re.MULTILINE)
    why = "verdicts changed the confidence of links by phone"
    assert stale == [(other, why) for other in MONTHS if other != month], plan
    shop.command("backfill")
    assert "no month is missing, failed or stale" in shop.command("backfill", "--dry-run")
    # No run evaluated the verdict's own month; `qa list` shows the last evaluation.
    shop.command("qa", "evaluate", "--check", "chats_are_linked")
