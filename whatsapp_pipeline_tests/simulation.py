"""Simulated days: runs that schedules and sensors ask for, and every check's state compared with the tables.

What belongs here: the days, what happens in them, and the comparison. What does not: how many days the gate
takes (test_simulation.py), and the full form (`python -m bench.drill.simulated`).

Nothing waits for a clock. A day goes from one moment to the next: the ticks of the real schedules by their
cron lines, the sensors, and what happens in the world. Files, contacts, orders and webhooks arrive, faults
are planted and mended, reviewers decide, and runs fail and are tried again. The clock of the pipeline is set
to each moment.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import dagster as dg
import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from whatsapp_pipeline import clock
from whatsapp_pipeline.assets.partitions import MONTHS
from whatsapp_pipeline.automation.alert_sensor import alerts
from whatsapp_pipeline.automation.step_errors import shown_error
from whatsapp_pipeline.automation.webhook import webhook_inbox_sensor
from whatsapp_pipeline.checks.qa import CheckScope, QaCheck, evaluate_without_storing
from whatsapp_pipeline.databases import sqlalchemy_url
from whatsapp_pipeline.definitions import build_defs, chosen_checks, rule_book
from whatsapp_pipeline.resources.database import Database
from whatsapp_pipeline.resources.sources import Archive, Erp
from whatsapp_pipeline.resources.webhook_inbox import WebhookInbox
from whatsapp_pipeline.sandbox.archive import CHATS_FOLDER, write_sample
from whatsapp_pipeline.sandbox.erp_server import ErpSandbox, serving
from whatsapp_pipeline.sandbox.plan import SampleOptions
from whatsapp_pipeline.settings import load_settings
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.links import verdicts
from whatsapp_pipeline.store.migrate import migrate
from whatsapp_pipeline.store.operations import qa_results
from whatsapp_pipeline_tests.webhook.deliveries import delivery, put, text

FIRST_DAY = datetime(2025, 1, 26)  # a Sunday; the simulation crosses the end of a month
_MONTHS = ("2025-01", "2025-02")
_COMPARED = "daily_checks"
_A_CHAT = "(SELECT min(id) FROM chat_files WHERE processing_status = 'loaded' AND month = '2025-01')"
# What another program, or an accident, does to the tables, and how it is mended.
_FAULTS = (
    (
        f"UPDATE chat_files SET processing_status = 'pending' WHERE id = {_A_CHAT}",
        "UPDATE chat_files SET processing_status = 'loaded' WHERE processing_status = 'pending'"
        " AND EXISTS (SELECT FROM chat_messages m WHERE m.id_chat_file = chat_files.id)",
    ),
    (
        "UPDATE customer_chat_summaries SET staff_messages = staff_messages + 1",
        "DELETE FROM customer_chat_summaries",
    ),
    (
        f"UPDATE chat_files SET message_count = message_count + 1 WHERE id = {_A_CHAT}",
        f"UPDATE chat_files SET message_count = message_count - 1 WHERE id = {_A_CHAT}",
    ),
    (
        "INSERT INTO exceptions (stage, file_path, month, line, kind, severity, detail)"
        " SELECT 'chat_messages', 'f', '2025-01', n, 'lost', 'error', 'x' FROM generate_series(1, 9999) n",
        "DELETE FROM exceptions WHERE kind = 'lost'",
    ),
)


@dataclass
class Simulation:
    """A company for some days: its archive, ERP and database, and a Dagster instance that runs by itself."""

    conn: Connection
    url: str
    instance: dg.DagsterInstance
    folder: Path
    erp: ErpSandbox | None
    resources: dict[str, Any]
    days: int
    log: list[str] = field(default_factory=list)
    runs: int = 0
    failed_runs: int = 0
    compared: int = 0
    differences: list[str] = field(default_factory=list)
    _run_keys: set[str] = field(default_factory=set)
    _cursors: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        given = {name: r for name, r in self.resources.items() if name in {"database", "archive", "erp"}}
        self.defs = build_defs(given, with_erp=self.erp is not None)
        self.checks = chosen_checks(with_erp=self.erp is not None)
        staged = sorted((self.folder / "staged" / CHATS_FOLDER).rglob("*.txt"))
        self._waiting_files = [path.relative_to(self.folder / "staged" / CHATS_FOLDER) for path in staged]
        self._schedules = {
            s.name: s for s in self.defs.schedules or [] if isinstance(s, dg.ScheduleDefinition)
        }

    # What happens.

    def run_all(self) -> None:
        """Live through every day, and the morning after, when the checks have been evaluated once more."""
        for number in range(self.days):
            self._live(FIRST_DAY + timedelta(days=number), until=time(23, 59), number=number)
        self._live(FIRST_DAY + timedelta(days=self.days), until=time(6, 30), number=self.days)

    def _live(self, day: datetime, *, until: time, number: int) -> None:
        zone = ZoneInfo(load_settings().zone)
        moments: list[tuple[time, str, Callable[[datetime], None]]] = [
            (at, name, partial(self._tick, schedule))
            for name, schedule in self._schedules.items()
            if (at := _tick_of_day(str(schedule.cron_schedule), day)) is not None
        ]
        moments += [
            (at, "sensors", lambda _: self._sensors())
            for at in (time(0, 20), time(6, 20), time(9, 30), time(14), time(21))
        ]
        moments += self._world(number)
        for at, name, act in sorted(moments, key=lambda item: (item[0], item[1])):
            if at > until:
                break
            moment = datetime.combine(day.date(), at, zone)
            with clock.set_to(moment):
                self.log.append(f"{moment:%Y-%m-%d %H:%M} {name}")
                act(moment)
                if name == _COMPARED:
                    self.compare(f"{moment:%Y-%m-%d %H:%M}")

    def _world(self, number: int) -> list[tuple[time, str, Callable[[datetime], None]]]:
        plant, _ = _FAULTS[number % len(_FAULTS)]
        happens: list[tuple[time, str, Callable[[datetime], None]]] = [
            (time(9), "files arrive", lambda _: self._files_arrive()),
            (time(9, 5), "contacts arrive", lambda _: self._contacts_arrive(number)),
            (time(9, 10), "webhooks arrive", lambda moment: self._webhooks_arrive(moment, number)),
            (time(15), "reviewers decide", lambda _: self._reviewers_decide(number)),
            (time(16), "a fault is planted", lambda _: self._sql(plant)),
        ]
        if number % 2:  # the fault of the day before has been seen by the checks of this morning
            happens.append((time(8), "faults are mended", lambda _: self._mend_all()))
        if number % 5 == 1:  # the archive's disk is away for the night's runs
            happens.append((time(2, 30), "the archive is away", lambda _: self._archive(is_there=False)))
            happens.append((time(3, 30), "the archive is back", lambda _: self._archive(is_there=True)))
        if number % 4 == 3:
            happens.append((time(17), "a file is lost", lambda _: self._lose_a_file()))
        return happens

    def _files_arrive(self) -> None:
        share = max(1, len(self._waiting_files) // max(1, self.days - 1))
        for path in self._waiting_files[:share]:
            target = self.folder / "archive" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(self.folder / "staged" / CHATS_FOLDER / path, target)
        del self._waiting_files[:share]

    def _contacts_arrive(self, number: int) -> None:
        known = ErpSandbox.of_folder(self.folder / "staged" / "erp")
        upto = max(10, len(known.contacts) * (number + 1) // self.days)
        if self.erp is not None:
            with self.erp.lock:
                self.erp.contacts = known.contacts[:upto]
                self.erp.orders = known.orders[: max(5, len(known.orders) * (number + 1) // self.days)]
                self.erp.details = known.details
            return
        with self.conn.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO contatos (id, nome, celular, telefone) VALUES (%s, %s, %s, %s)"
                " ON CONFLICT (id) DO NOTHING",
                [
                    (c["id"], c["nome"], str(c["celular"])[:20], str(c["telefone"])[:20])
                    for c in known.contacts[:upto]
                ],
            )
            cursor.executemany(
                "INSERT INTO ordens_servico (id, numero_ordem_servico, id_contato, data_emissao)"
                " VALUES (%s, %s, %s, %s) ON CONFLICT (id) DO NOTHING",
                [
                    (o["id"], o["numeroOrdemServico"], o["cliente"]["id"], o["data"] or None)
                    for o in known.orders
                ],
            )

    def _webhooks_arrive(self, moment: datetime, number: int) -> None:
        at = int(moment.timestamp())
        account = "acc-1" if number % 3 else "nobody-knows-it"
        put(
            self.conn,
            *(
                delivery(text(f"d{number}-{n}", "quanto fica o conserto?", at=at + n), account=account)
                for n in range(3)
            ),
        )

    def _reviewers_decide(self, number: int) -> None:
        for month in _MONTHS:
            for row in verdicts.review_sample(self.conn, month)[number : number + 2]:
                verdict = "wrong" if number % 3 == 0 else "right"
                verdicts.record_verdict(self.conn, row.id_chat_file, verdict, note=None, reviewer="ana")
        self._sql(
            "SELECT override_link('file', f.file_path, 'contact', (SELECT max(id) FROM contatos), 'seen')"
            " FROM (SELECT file_path FROM chat_files WHERE match_status = 'unmatched' ORDER BY id LIMIT 1) f"
        )
        for check in ("no_file_vanished", "lines_accounted_for"):
            for result in qa_results.results(self.conn, check):
                if result.failing and number % 2:
                    qa_results.accept_failing(
                        self.conn,
                        check,
                        result.month,
                        failing=result.failing,
                        reason="known",
                        until=clock.today() + timedelta(days=2),
                        made_by="ana",
                    )

    def _mend_all(self) -> None:
        for _, mend in _FAULTS:
            self._sql(mend)

    def _archive(self, *, is_there: bool) -> None:
        here, away = self.folder / "archive", self.folder / "archive-away"
        if is_there and away.exists():
            away.rename(here)
        elif not is_there and here.exists():
            here.rename(away)

    def _lose_a_file(self) -> None:
        files = sorted((self.folder / "archive").rglob("*.txt"))
        if len(files) > 5:
            files[len(files) // 2].unlink()

    def _sql(self, statement: str) -> None:
        self.conn.execute(statement.encode())

    # What runs by itself.

    def _tick(self, schedule: dg.ScheduleDefinition, moment: datetime) -> None:
        with dg.build_schedule_context(
            instance=self.instance,
            repository_def=self.defs.get_repository_def(),
            scheduled_execution_time=moment,
            resources=self.resources,
        ) as context:
            data = schedule.evaluate_tick(context)
        for request in data.run_requests or []:
            self._launch(request.job_name or str(schedule.job_name), request)

    def _sensors(self) -> None:
        for sensor in (webhook_inbox_sensor, alerts):
            with dg.build_sensor_context(
                instance=self.instance,
                cursor=self._cursors.get(sensor.name),
                repository_def=self.defs.get_repository_def(),
                resources=self.resources,
            ) as context:
                data = sensor.evaluate_tick(context)
            self._cursors[sensor.name] = data.cursor or self._cursors.get(sensor.name)
            for request in data.run_requests or []:
                self._launch(request.job_name or "process_webhooks", request)
        found = dg.evaluate_automation_conditions(
            self.defs,
            self.instance,
            cursor=self._cursors.get("automation"),
            asset_selection=dg.AssetSelection.assets("customer_summaries"),
        )
        self._cursors["automation"] = found.cursor
        if found.total_requested:
            self._launch("summaries", dg.RunRequest())

    def _launch(self, job_name: str, request: dg.RunRequest) -> None:
        if request.run_key:
            if request.run_key in self._run_keys:
                return
            self._run_keys.add(request.run_key)
        job = self.defs.resolve_job_def(job_name)
        # The daemon tries a run again as often as its job's tag says.
        for _ in range(1 + int(job.tags.get("dagster/max_retries", 0))):
            result = job.execute_in_process(
                instance=self.instance,
                partition_key=request.partition_key,
                run_config=request.run_config,
                tags=request.tags,
                raise_on_error=False,
            )
            self.runs += 1
            self.failed_runs += not result.success
            self.log.append(f"    {job_name} {request.partition_key or ''}: {_outcome(result)}")
            if result.success:
                return

    # What is compared.

    def compare(self, when: str) -> None:
        """Compare what Dagster shows, and what is recorded, of every check with a plain recomputation."""
        scope = CheckScope(
            self.conn,
            list(MONTHS.get_partition_keys()),
            self.resources["archive"],
            self.instance,
            clock.now(),
        )
        self.compared += 1
        for check in self.checks:
            self.differences += [f"{when} {check.name}: {words}" for words in self._differences(check, scope)]

    def _differences(self, check: QaCheck, scope: CheckScope) -> Iterator[str]:
        plain = evaluate_without_storing(check, scope)
        key = dg.AssetCheckKey(dg.AssetKey(check.asset), check.name)
        record = self.instance.event_log_storage.get_asset_check_summary_records([key])[key]
        last = record.last_check_execution_record
        event = last.event.dagster_event if last and last.event else None
        shown = event.event_specific_data if event else None
        if not isinstance(shown, dg.AssetCheckEvaluation):
            yield f"Dagster shows {last.status if last else 'nothing'}"
            return
        is_error = not plain.passed and check.severity == "error"
        if (shown.passed, shown.severity.value == "ERROR") != (plain.passed, is_error):
            yield f"Dagster shows {shown.passed} {shown.severity.value}, the tables say {plain.words()}"
        recorded = {
            (result.month, result.examined, result.failing)
            for result in qa_results.results(self.conn, check.name)
            if result.examined or result.failing
        }
        found = {
            (verdict.month, verdict.result.examined, verdict.result.failing)
            for verdict in plain.verdicts
            if verdict.state != "empty"
        }
        if recorded != found:
            yield f"recorded and not found {recorded - found}, found and not recorded {found - recorded}"


def _outcome(result: dg.ExecuteInProcessResult) -> str:
    """Describe how a run ended: the step that failed first, and why."""
    for event in result.all_events:
        if event.is_step_failure and event.step_failure_data.error:
            error = shown_error(event.step_failure_data.error)
            return f"failed in {event.step_key}: {error.message.strip()[:200] if error else 'no reason'}"
    return "succeeded" if result.success else "failed"


def _tick_of_day(cron: str, day: datetime) -> time | None:
    """Return when a cron line fires on a day; the project's are `minute hour day-of-month * weekday`."""
    minute, hour, of_month, month, weekday = cron.split()
    assert month == "*"
    if of_month not in {"*", str(day.day)} or weekday not in {"*", str(day.isoweekday() % 7)}:
        return None
    return time(int(hour), int(minute))


@contextmanager
def simulation(
    admin_url: str, folder: Path, *, days: int, with_erp: bool, files: int
) -> Iterator[Simulation]:
    """Make the company of a simulation on a server, and take its databases away afterwards."""
    (folder / "archive").mkdir(parents=True)
    (folder / "staged").mkdir()
    write_sample(
        folder / "staged", SampleOptions(seed=11, contacts=files * 2 // 3, files=files, months=_MONTHS)
    )
    names = [f"sim_{uuid4().hex[:8]}", f"simdg_{uuid4().hex[:8]}"]
    with psycopg.connect(admin_url, autocommit=True) as admin:
        for name in names:
            admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
    url, dagster_url = (make_conninfo(admin_url, dbname=name) for name in names)
    migrate(url)
    environment = {
        "BACKUP_DIR": str(folder / "backups"),
        "REPORT_DIR": str(folder / "reports"),
        "PIPELINE_LOCAL_DIR": str(folder / "local"),
        "WHATSAPP_SPOOL_DIR": str(folder / "spool"),
    }
    before = {name: os.environ.get(name) for name in environment}
    os.environ |= environment
    sandbox = ErpSandbox([], [], {}) if with_erp else None
    storage = {"storage": {"postgres": {"postgres_url": sqlalchemy_url(dagster_url)}}}
    try:
        with serving(sandbox or ErpSandbox([], [], {})) as erp_url, connect(url) as conn:
            database = Database(url=url)
            resources: dict[str, Any] = {
                "database": database,
                "archive": Archive(root=str(folder / "archive")),
                "webhook_inbox": WebhookInbox(database=database),
                "rule_book": rule_book(with_erp=with_erp),
                **({"erp": Erp(source=erp_url)} if with_erp else {}),
            }
            with dg.instance_for_test(overrides=storage) as instance:
                yield Simulation(conn, url, instance, folder, sandbox, resources, days)
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        with psycopg.connect(admin_url, autocommit=True) as admin:
            for name in names:
                admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
