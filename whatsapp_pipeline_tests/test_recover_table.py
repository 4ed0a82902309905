"""The table of outside faults in docs/recover.md: each fault is produced, and shows what the table says.

The ERP and the language model are the sandbox's, over HTTP; what is shown is read from commands, from runs
and from their log. A row without a fault here, or a fault without a row, fails.
"""

from __future__ import annotations

import json
import logging
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeAlias

import dagster as dg
import pytest

from whatsapp_pipeline.assets.contacts import tiny_contacts, tiny_orders
from whatsapp_pipeline.automation import headless
from whatsapp_pipeline.cli import main
from whatsapp_pipeline.cli.qa_table import show
from whatsapp_pipeline.erp.token_store import Tokens, TokenStore
from whatsapp_pipeline.sandbox.assistant_server import AssistantSandbox, Habit, serving_assistant
from whatsapp_pipeline.sandbox.erp_server import API, TOKEN_PATH, ErpSandbox, Fault, serving
from whatsapp_pipeline.settings import PROJECT_ROOT
from whatsapp_pipeline.store import migrate
from whatsapp_pipeline.store.connection import connect
from whatsapp_pipeline.store.contacts import erp_tokens
from whatsapp_pipeline_tests.conftest import create_database, drop_database
from whatsapp_pipeline_tests.erp import worlds
from whatsapp_pipeline_tests.erp_resources import erp_resources
from whatsapp_pipeline_tests.webhook.deliveries import delivery, take, text

pytestmark = pytest.mark.slow
_HEADING: Final = "## When the ERP or the language model misbehaves"


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table: the fault, the code spans of what is shown, and what to do.

    A span holds words that are shown, or the command that shows them.
    """

    fault: str
    spans: tuple[str, ...]
    remedy: str


def _table() -> Iterator[Row]:
    guide = (PROJECT_ROOT / "docs" / "recover.md").read_text(encoding="utf-8")
    section = guide.partition(_HEADING)[2].partition("\n#")[0]
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("| ") and not line.startswith(("| fault", "| ---")):
            fault, shown, remedy = (cell.strip("| ") for cell in cells)
            yield Row(fault, tuple(re.findall(r"`([^`]+)`", shown)), remedy)


ROWS: Final = {row.fault: row for row in _table()}


@dataclass(slots=True)
class World:
    """A fresh database, a folder for local files, and everything that the product shows."""

    url: str
    folder: Path
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]
    caplog: pytest.LogCaptureFixture
    admin_url: str
    erp: ErpSandbox = field(default_factory=lambda: worlds.sandbox(230, orders=3))
    commands: list[str] = field(default_factory=list)

    def command(self, *arguments: str) -> str:
        """Run a command of the command line; return all that it prints."""
        self.capsys.readouterr()
        self.caplog.clear()
        self.commands.append(" ".join(arguments))
        self.monkeypatch.setattr("sys.argv", ["whatsapp-pipeline", *arguments])
        with pytest.raises(SystemExit):
            main()
        printed = self.capsys.readouterr()
        return f"{printed.out}{printed.err}{self._logged()}"

    def read(
        self, asset: dg.AssetsDefinition = tiny_contacts, source: str | None = None, **config: Any
    ) -> str:
        """Materialize an asset of the ERP; return what the command line prints of the run, and its log."""
        self.capsys.readouterr()
        self.caplog.clear()
        with serving(self.erp) as base, dg.DagsterInstance.ephemeral() as instance:
            self.monkeypatch.setenv("TINY_BASE_URL", base + API)
            self.monkeypatch.setenv("TINY_TOKEN_URL", base + TOKEN_PATH)
            result = dg.materialize(
                [asset],
                instance=instance,
                raise_on_error=False,
                resources=erp_resources(self.url, source or base),
                run_config={"ops": {asset.key.to_user_string(): {"config": {"backup": False, **config}}}},
            )
        outcome = headless.Outcome([])
        headless._collect(outcome, result.all_events)
        show(outcome, dry_run=False)
        printed = self.capsys.readouterr()
        return f"{printed.err}{self._logged()}"

    def _logged(self) -> str:
        return "".join(f"{record.getMessage()}\n" for record in self.caplog.records)

    def check(self, name: str) -> str:
        """Evaluate a check on the command line."""
        return self.command("qa", "evaluate", "--check", name)


Produce: TypeAlias = Callable[[World], list[str]]


def _faults(*faults: Fault) -> Produce:
    """Read the contacts under each fault in turn."""

    def produce(world: World) -> list[str]:
        shown = []
        for fault in faults:
            world.erp.faults = [fault]
            shown.append(world.read())
        return shown

    return produce


def _page(status: int = 200, body: str = "<html>Login</html>", path: str = "/contatos") -> Fault:
    return Fault("status", path, status=status, body=body, times=99)


def _limits(world: World) -> list[str]:
    v2 = json.dumps({"retorno": {"status": "Erro", "codigo_erro": "6", "erros": [{"erro": "API Bloqueada"}]}})
    headers = {"Retry-After": "600"}
    shown = _faults(
        Fault("status", "/contatos", status=429, headers=headers, times=99),
        _page(body=v2),
    )(world)
    assert all("trying again in" in each for each in shown)  # a log line for each wait
    world.erp.faults, world.erp.headers = [], {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "590"}
    world.erp.contacts = [worlds.contact(number) for number in range(900)]
    return [*shown, world.read()]


def _other_json(world: World) -> list[str]:
    v2 = json.dumps({"retorno": {"status": "Erro", "codigo_erro": "2", "erros": []}})
    return _faults(_page(body='{"contatos": []}'), _page(body=v2))(world)


def _saved_tokens(world: World, *, ends: float) -> TokenStore:
    world.monkeypatch.setenv("TINY_CLIENT_ID", "client")
    world.monkeypatch.setenv("TINY_CLIENT_SECRET", "secret")
    store = TokenStore(world.folder / "tiny_tokens.json")
    store.save(Tokens("old", "refresh-0", 0, ends))
    return store


def _wrong_credentials(world: World) -> list[str]:
    _saved_tokens(world, ends=4e9)
    world.erp.faults = [_page(401, '{"error": "invalid_client"}', TOKEN_PATH)]
    return [world.read(source="tiny")]


def _dead_token(world: World) -> list[str]:
    _saved_tokens(world, ends=1.0)
    unused = world.read(source="tiny")
    assert "it expired" in unused
    _saved_tokens(world, ends=4e9)
    elsewhere = world.read(source="tiny")
    assert "another copy of this program" in elsewhere
    return [unused, elsewhere]


_SMALL_DISK: Final = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))  # as a full disk: no file grows beyond 100 bytes
from whatsapp_pipeline.cli import main
main()
"""


def _full_disk(world: World) -> list[str]:
    _saved_tokens(world, ends=4e9)
    with serving(world.erp) as base:
        world.monkeypatch.setenv("TINY_BASE_URL", base + API)
        world.monkeypatch.setenv("TINY_TOKEN_URL", base + TOKEN_PATH)
        said = subprocess.run(
            [sys.executable, "-c", _SMALL_DISK, "erp", "status", "--erp", "tiny"],
            capture_output=True,
            text=True,
            check=False,
        )
    assert world.erp.token_requests == []
    return [said.stderr]


def _killed_refresh(world: World) -> list[str]:
    store = _saved_tokens(world, ends=4e9)
    pair = {"access_token": "access-1", "refresh_token": "refresh-1", "expires_in": 1e9}
    world.erp.access_tokens.add("access-1")
    store.path.with_name(f".{store.path.name}.answer").write_text(json.dumps(pair))
    return [world.read(source="tiny")]


def _interrupted_host(world: World) -> list[str]:
    _saved_tokens(world, ends=4e9)
    world.monkeypatch.setenv("SEVERAL_HOSTS", "1")
    world.monkeypatch.setenv("PRIVACY_KEY", "k" * 32)
    with connect(world.url) as conn:
        erp_tokens.write_tokens(
            conn,
            access_token="old",
            refresh_token="spent",
            expires_at=0,
            refresh_expires_at=None,
            host="worker-1",
        )
        erp_tokens.begin_refresh(conn, "worker-1")
    return [world.read(source="tiny")]


def _saved_page(world: World) -> list[str]:
    (world.folder / "contatos").mkdir()
    (world.folder / "contatos" / "B-000000.json").write_text('{"itens": [')
    return [world.read(source=str(world.folder))]


def _wrong_count(world: World) -> list[str]:
    world.erp.faults = [Fault("total", "", total=999, times=99)]
    world.read()
    world.read(tiny_orders)
    return [world.check(f"erp_counts_agree_on_{name}") for name in ("contacts", "orders")]


def _moving(world: World) -> list[str]:
    world.erp.faults = [
        Fault("shift", "/contatos", times=99, insert=worlds.contact(number)) for number in range(300, 301)
    ]
    return [world.read()]


def _ignored_paging(world: World) -> list[str]:
    return _faults(Fault("ignore", "/contatos", params=["offset"], times=99))(world)


def _nothing_listed(world: World) -> list[str]:
    world.read()
    world.read(tiny_orders)
    world.erp.contacts, world.erp.orders = [], []
    world.read()
    world.read(tiny_orders)
    return [world.check(f"erp_lists_known_{name}") for name in ("contacts", "orders")]


def _odd_rows(world: World) -> list[str]:
    world.erp.contacts[3] = worlds.contact(3, updated="9999-12-31 00:00:00")
    world.erp.contacts[4] |= {"nome": {"primeiro": "x"}}
    world.erp.contacts[5]["id"] = 2**70
    world.erp.strays = {200: "x"}
    world.erp.details[9001] = worlds.order(2)[1]
    world.erp.faults = [Fault("status", "/ordem-servico/9002", times=99)]
    world.read()
    world.read(tiny_orders)
    shown = world.command("exceptions", "list")
    for kind in ("future_date", "odd_value", "unreadable_item", "other_details", "no_details"):
        assert kind in shown
    for words in ("bigint", "not an object", "failed 7 times at /ordem-servico/9002"):
        assert words in shown
    with connect(world.url) as conn:
        assert conn.execute("SELECT count(*) FROM contatos").fetchone() == (229,)
        assert conn.execute("SELECT count(*) FROM ordens_servico").fetchone() == (3,)
    return [shown]


def _ask(world: World, *, questions: int = 1, hours: float = 0) -> None:
    sent = int(time.time() - hours * 3600) - 5
    messages = [text(f"q{n}", f"pergunta {n}", at=sent, sender=f"5541999990{n:03}") for n in range(questions)]
    with connect(world.url) as conn:
        conn.execute("DELETE FROM webhook_inbox")
        received = datetime.fromtimestamp(sent, UTC)
        take(conn, delivery(*messages), received=received, ask_assistant=True)


def _answering(world: World, *habits: Habit, key: str = "key", **environment: str) -> str:
    """Let the command ask the language model, and show what waits."""
    with serving_assistant(AssistantSandbox(api_key="key", habits=list(habits))) as base:
        settings: Mapping[str, str] = {
            "ASSISTANT_BASE_URL": base,
            "ASSISTANT_MODEL": "m",
            "ASSISTANT_API_KEY": key,
            "ASSISTANT_RUN_SECONDS": "60",
            **environment,
        }
        for name, value in settings.items():
            world.monkeypatch.setenv(name, value)
        shown = world.command("webhook", "process")
    return shown + "".join(world.command("webhook", *rest) for rest in (["status"], ["answers", "list"]))


def _model_answers(*habits: Habit, attempts: int = 1, **settings: str) -> Produce:
    """Ask one question of each kind of bad answer, as often as it is asked again."""

    def produce(world: World) -> list[str]:
        shown = []
        for habit in habits:
            with connect(world.url) as conn:
                conn.execute("TRUNCATE conversations, webhook_inbox CASCADE")
            _ask(world)
            habit.times = 9
            for _ in range(attempts):
                with connect(world.url) as conn:
                    conn.execute("UPDATE assistant_replies SET next_attempt_at = now()")
                last = _answering(world, habit, **settings)
            shown.append(last + world.check("questions_are_answered"))
        return shown

    return produce


def _wrong_key(world: World) -> list[str]:
    _ask(world, questions=3)
    shown = [_answering(world, key="wrong")]
    assert "questions pending: 3" in shown[0]
    assert "check ASSISTANT_API_KEY" in shown[0]
    return [*shown, *_model_answers(Habit("status", status=404), Habit("status", status=403))(world)]


def _too_many(world: World) -> list[str]:
    _ask(world, questions=5)
    shown = _answering(world, ASSISTANT_RUN_TOKENS="100")
    assert "questions pending: 3" in shown
    return [shown]


def _old_question(world: World) -> list[str]:
    _ask(world, hours=23.9)
    with connect(world.url) as conn:
        conn.execute("UPDATE conversation_messages SET sent_at = sent_at - interval '1 hour'")
    return [_answering(world)]


def _migrations(world: World) -> list[str]:
    own = world.folder / "migrations"
    shutil.copytree(migrate.MIGRATIONS_DIR, own)
    edited = own / "0003_linking.sql"
    edited.write_text(edited.read_text() + "-- one more line\n")
    world.monkeypatch.setattr(migrate, "MIGRATIONS_DIR", own)
    shown = [world.command("status")]
    world.monkeypatch.undo()
    _environment(world)
    with connect(world.url) as conn:
        conn.execute("INSERT INTO pipeline_migrations VALUES ('9999')")
    return [*shown, world.command("migrate")]


def _early_database(world: World) -> list[str]:
    name = "test_early_development"
    url = create_database(world.admin_url, name, "template0")
    try:
        folder = world.folder / "early"
        folder.mkdir()
        for path in migrate.MIGRATIONS_DIR.glob("*.sql"):
            if path.name[:4] <= "0006":
                statements = path.read_text(encoding="utf-8").replace("conversations_link_lost", "other_name")
                (folder / path.name).write_text(statements, encoding="utf-8")
        migrate.migrate(url, folder)
        world.monkeypatch.setenv("DATABASE_URL", url)
        return [world.command("migrate")]
    finally:
        drop_database(world.admin_url, name)


PRODUCED: Final[dict[str, Produce]] = {
    'the ERP answers 429, API v2\'s "API bloqueada", or slowly': _limits,
    "the ERP answers 5xx, an empty body, or resets the connection": _faults(
        _page(500, ""), _page(200, ""), Fault("drop", "/contatos", times=99)
    ),
    "a firewall or login page answers in the ERP's place": _faults(
        _page(path=TOKEN_PATH), _page(), _page(403), _page(503)
    ),
    "the answer is JSON of another kind": _other_json,
    "the client id or secret is wrong": _wrong_credentials,
    "the refresh token is dead": _dead_token,
    "the disk is full when tokens are renewed": _full_disk,
    "a run is killed while it renews tokens": _killed_refresh,
    "one of several hosts is killed while it renews tokens": _interrupted_host,
    "a saved page is damaged": _saved_page,
    "the ERP counts other rows than it lists, or lists one twice": _wrong_count,
    "rows move during each of four readings": _moving,
    "the ERP gives the same page again and again": _ignored_paging,
    "a pass brings nothing, or less than half of before": _nothing_listed,
    "a date in the future, an odd value, an id beyond bigint, something that is no object, the details of"
    " another order, or none": _odd_rows,
    "the language model answers 401, 403 or 404": _wrong_key,
    "the language model answers 429 or 5xx, resets, hangs, or sends a web page": _model_answers(
        Habit("status", status=429, headers={"Retry-After": "600"}),
        Habit("status", status=503),
        Habit("reset"),
        Habit("hang"),
        Habit("drip"),
        Habit("body", body="<html>Login</html>"),
        ASSISTANT_RUN_SECONDS="6",
    ),
    "an answer is cut, filtered, empty or too long": _model_answers(
        Habit("say", finish_reason="length"),
        Habit("say", finish_reason="content_filter"),
        Habit("say", text="<think>oi</think>"),
        Habit("say", text="a" * 5000),
        attempts=3,
    ),
    "more questions than one run takes, or a worker was killed": _too_many,
    "a question is a day old": _old_question,
    "a migration was edited, or a newer version has migrated": _migrations,
    "an early development version made the database": _early_database,
}


def _environment(world: World) -> None:
    world.monkeypatch.setenv("DATABASE_URL", world.url)
    world.monkeypatch.setenv("PIPELINE_LOCAL_DIR", str(world.folder))
    world.monkeypatch.setenv("CHAT_ARCHIVE", str(world.folder))
    world.monkeypatch.setenv("DAGSTER_HOME", str(world.folder))
    # The ERP's pauses take no time; the deadline of a pass goes by the same clock.
    world.monkeypatch.setattr("whatsapp_pipeline.erp.source.SystemClock", worlds.FakeClock)


@pytest.fixture
def world(
    fresh_database_url: str,
    admin_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> World:
    caplog.set_level(logging.INFO)
    made = World(fresh_database_url, tmp_path, monkeypatch, capsys, caplog, admin_url)
    _environment(made)
    return made


def test_each_row_has_its_fault_and_each_fault_its_row() -> None:
    assert set(PRODUCED) == set(ROWS)
    assert all(row.spans and row.remedy for row in ROWS.values())


@pytest.mark.parametrize("fault", PRODUCED)
def test_a_fault_shows_what_the_table_says(world: World, fault: str) -> None:
    shown = [re.sub(r"\s+", " ", each) for each in PRODUCED[fault](world)]
    words = [span for span in ROWS[fault].spans if span not in world.commands]
    patterns = {span: ".*?".join(map(re.escape, span.split("…"))) for span in words}
    for span, pattern in patterns.items():
        assert any(re.search(pattern, each) for each in shown), f"{span!r} is not in {shown}"
    for each in shown:
        assert any(re.search(pattern, each) for pattern in patterns.values()), f"the table lacks {each!r}"
