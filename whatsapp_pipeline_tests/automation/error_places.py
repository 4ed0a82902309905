"""Every place that raises one of our errors with a cause, and the fault that makes it raise.

What belongs here: finding the places in the source, and producing each fault with real files, servers and
databases. What does not: what people read of it (test_step_errors.py).
"""

from __future__ import annotations

import ast
import builtins
import importlib
import json
import logging
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeAlias
from uuid import uuid4

import click
import dagster as dg
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from whatsapp_pipeline import clock, databases, embedded
from whatsapp_pipeline.assistant.client import assistant_from
from whatsapp_pipeline.automation.launching import LaunchedRuns, Task
from whatsapp_pipeline.cli import cli
from whatsapp_pipeline.cli.database_option import require_free
from whatsapp_pipeline.cli.review_item import read_key
from whatsapp_pipeline.domain.summaries import topics
from whatsapp_pipeline.erp.shared_token_store import SharedTokenStore
from whatsapp_pipeline.erp.source import open_erp_source
from whatsapp_pipeline.erp.token_store import TokenStore
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.sandbox.erp_server import TOKEN_PATH, Fault, serving
from whatsapp_pipeline.settings import PROJECT_ROOT, Settings, from_mapping, load_settings
from whatsapp_pipeline.steps.conversations.process_webhooks import ProcessOptions, process_due
from whatsapp_pipeline.steps.operations import privacy
from whatsapp_pipeline.steps.operations.backup import BackupOptions, take
from whatsapp_pipeline.store.connection import connect
from whatsapp_pipeline.store.conversations import inbox
from whatsapp_pipeline.store.links import overrides
from whatsapp_pipeline.store.operations.console_logins import ensure_logins
from whatsapp_pipeline.store.table_frames import read_table
from whatsapp_pipeline.webhook.spool import SpoolWriter
from whatsapp_pipeline_tests.erp import worlds
from whatsapp_pipeline_tests.source_scan import parse_text

PACKAGE: Final = PROJECT_ROOT / "whatsapp_pipeline"
LOG: Final = logging.getLogger(__name__)
_DELIVERY: Final = {
    "object": "whatsapp_business_account",
    "entry": [
        {
            "id": "1",
            "changes": [
                {
                    "field": "messages",
                    "value": {
                        "metadata": {"phone_number_id": "a", "display_phone_number": "554133330000"},
                        "messages": [
                            {
                                "id": "w1",
                                "from": "5541999990001",
                                "timestamp": "1740800000",
                                "type": "text",
                                "text": {"body": "oi"},
                            }
                        ],
                    },
                }
            ],
        }
    ],
}


@dataclass(frozen=True, slots=True)
class Place:
    """A `raise` of one of our errors that names its cause."""

    path: Path
    first_line: int
    last_line: int


@dataclass(frozen=True, slots=True)
class World:
    """What a fault may use: a folder, a migrated database, and the test's own changes to the environment."""

    folder: Path
    database_url: str
    monkeypatch: pytest.MonkeyPatch

    @property
    def file(self) -> Path:
        """A file, for where a folder should be."""
        path = self.folder / "a file"
        path.touch()
        return path


Provoke: TypeAlias = Callable[[World], object]


def find_places() -> dict[str, Place]:
    """Find the places by name: `erp.source ApiSource._page`, and ` #2` for the second of a function."""
    places: dict[str, Place] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        names = path.relative_to(PACKAGE.parent).with_suffix("").parts
        module = ".".join(names[:-1] if names[-1] == "__init__" else names)
        for function, node in _raises(parse_text(path.read_text(encoding="utf-8")), ""):
            if not _names_cause(node) or not _is_ours(node, module):
                continue
            name = f"{module.partition('.')[2]} {function}"
            number = 1 + sum(other.partition(" #")[0] == name for other in places)
            place = Place(path, node.lineno, node.end_lineno or node.lineno)
            places[name if number == 1 else f"{name} #{number}"] = place
    return places


def _raises(node: ast.AST, function: str) -> Iterator[tuple[str, ast.Raise]]:
    """Yield each raise statement with the qualified name of its function, in order of lines."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Raise):
            yield function, child
        inner = function
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inner = f"{function}.{child.name}".lstrip(".")
        yield from _raises(child, inner)


def _names_cause(node: ast.Raise) -> bool:
    return node.cause is not None and not isinstance(node.cause, ast.Constant)


def _is_ours(node: ast.Raise, module: str) -> bool:
    """Whether the statement makes a PipelineError, or something whose class is not known here."""
    if not isinstance(node.exc, ast.Call):
        return False
    name = ast.unparse(node.exc.func)
    first, _, _ = name.partition(".")
    found: object = builtins if hasattr(builtins, first) else importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return not isinstance(found, type) or issubclass(found, PipelineError)


def _command(*arguments: str) -> object:
    return cli.main(list(arguments), standalone_mode=False)


def _assistant_prompt(world: World) -> object:
    prompt = world.folder / "prompt.txt"
    prompt.write_bytes(b"\xff\xfe\x00")
    return assistant_from(
        from_mapping(
            {
                "ASSISTANT_BASE_URL": "http://127.0.0.1:1",
                "ASSISTANT_MODEL": "m",
                "ASSISTANT_SYSTEM_PROMPT": str(prompt),
            }
        )
    )


def _customer_page(world: World) -> object:
    world.monkeypatch.setenv("DATABASE_URL", world.database_url)
    with connect(world.database_url) as conn:
        conn.execute("INSERT INTO contatos (id, nome) VALUES (1, 'Cliente 1')")
    return _command("customer", "1", "--html", str(world.file / "page.html"))


def _export_folder(world: World) -> object:
    world.monkeypatch.setenv("DATABASE_URL", world.database_url)
    return _command("export", "orders", "--out", str(world.file / "folder"))


def _outdated_export(world: World) -> object:
    """Make `delete-exports` find a folder where the export was."""
    world.monkeypatch.setenv("DATABASE_URL", world.database_url)
    place = world.folder / "orders.csv"
    place.mkdir()
    is_now = place.stat()
    with connect(world.database_url) as conn:
        conn.execute(
            "INSERT INTO data_files (id, kind, host, folder, name, bytes, modified_ns, written_by,"
            " outdated_at, outdated_by) VALUES (%s, 'export', %s, %s, %s, %s, %s, 'test', now(), 'erasure')",
            (
                uuid4(),
                load_settings().host,
                str(world.folder),
                place.name,
                is_now.st_size,
                is_now.st_mtime_ns,
            ),
        )
    return _command("privacy", "delete-exports", "--yes")


def _frame_of_texts(world: World) -> object:
    role = sql.Identifier(f"frames_{uuid4().hex[:12]}")
    with connect(world.database_url) as conn:
        conn.execute(sql.SQL("CREATE ROLE {}").format(role))
        conn.execute(sql.SQL("GRANT SELECT (id) ON chat_messages TO {}").format(role))
        conn.execute(sql.SQL("SET ROLE {}").format(role))
        try:
            return read_table(conn, "chat_messages", zone="America/Sao_Paulo")
        finally:
            conn.execute("RESET ROLE")
            conn.execute(sql.SQL("DROP OWNED BY {}").format(role))
            conn.execute(sql.SQL("DROP ROLE {}").format(role))


def _port_in_use(world: World) -> object:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        require_free("127.0.0.1", taken.getsockname()[1], "--port")
    return None


def _link_files(world: World, *more: str, out: Path | None = None) -> object:
    contacts, titles = world.folder / "contacts.csv", world.folder / "titles.csv"
    contacts.write_text("id,nome,fantasia,telefone,celular\n1,Cliente 1,,,\n")
    titles.write_text("title,date\nCliente 1,2025-01-20\n")
    return _command(
        "link",
        "--contacts",
        str(contacts),
        "--titles",
        str(titles),
        "--out",
        str(out or world.folder / "out.csv"),
        *more,
    )


def _name_model(world: World) -> object:
    model = world.folder / "model.json"
    model.write_text("{}")
    return _link_files(world, "--model", str(model))


def _decisions(world: World) -> object:
    return _link_files(world, out=world.file / "out.csv")


def _no_terminal(world: World) -> object:
    def no_terminal(*, echo: bool = False) -> str:
        raise OSError("No such device or address: '/dev/tty'")

    # A developer's terminal would wait for a key here.
    world.monkeypatch.setattr(click, "getchar", no_terminal)
    return read_key("ab")


def _dagster_database(world: World) -> object:
    with psycopg.connect(world.database_url, autocommit=True) as conn:
        conn.execute("CREATE ROLE makes_no_database LOGIN PASSWORD 'x'")
        try:
            url = make_conninfo(world.database_url, user="makes_no_database", password="x")
            return databases.dagster_url(Settings(database_url=url))
        finally:
            conn.execute("DROP ROLE makes_no_database")


def _console_logins(world: World) -> object:
    with psycopg.connect(world.database_url, autocommit=True) as conn:
        conn.execute("CREATE ROLE makes_no_role LOGIN PASSWORD 'x'")
        try:
            url = make_conninfo(world.database_url, user="makes_no_role", password="x")
            return ensure_logins(url, b"a key of sixteen or more")
        finally:
            conn.execute("DROP ROLE makes_no_role")


def _embedded(world: World) -> object:
    (world.folder / "postgres").touch()
    return embedded.server_url(world.folder, "postgres")


def _saved_page(world: World) -> object:
    (world.folder / "contatos").mkdir()
    (world.folder / "contatos" / "B-000000.json").write_text('{"itens": [')
    with open_erp_source(Settings(), str(world.folder)) as source:
        return source.contacts_page("", 0, None)


def _erp(world: World, fault: Fault) -> object:
    sandbox = worlds.sandbox(3)
    sandbox.faults = [fault]
    with serving(sandbox) as base, worlds.source(base, world.folder) as source:
        return source.contacts_page("B", 0, None)


def _no_room_for_tokens(world: World) -> object:
    with serving(worlds.sandbox(3)) as base:
        tokens = worlds.tokens(base, world.file)
        return tokens.get()


def _shared_tokens(world: World) -> object:
    with connect(world.database_url) as conn:
        conn.execute("ALTER TABLE pipeline_erp_tokens RENAME COLUMN access_token TO another")
    tokens = TokenStore(world.folder / "tokens.json")
    return SharedTokenStore(world.database_url, tokens, host="a host").load()


def _webhooks(world: World) -> object:
    with connect(world.database_url) as conn:
        inbox.add_deliveries(conn, [(uuid4(), datetime.now(UTC), json.dumps(_DELIVERY).encode())])
        conn.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$"
            " BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '25006'; END $$"
        )  # a read-only server
        conn.execute("CREATE TRIGGER refuse BEFORE INSERT ON conversation_messages EXECUTE FUNCTION refuse()")
        return process_due(conn, ProcessOptions(), log=LOG)


def _backup_exists(world: World) -> object:
    moment = datetime(2025, 3, 1, tzinfo=UTC)
    database = psycopg.conninfo.conninfo_to_dict(world.database_url)["dbname"]
    (world.folder / f"{database}-{moment:%Y%m%dT%H%M%S%fZ}.partial").touch()
    with clock.set_to(moment):
        return take(world.database_url, BackupOptions(folder=world.folder), reason="test", log=LOG)


def _backup_folder(world: World) -> object:
    return take(world.database_url, BackupOptions(folder=world.file / "in"), reason="test", log=LOG)


def _erase_without_the_list(world: World) -> object:
    settings = Settings(local_dir=world.folder / "local", shared_dir=str(world.file / "shared"))
    with connect(world.database_url) as conn:
        conn.execute("INSERT INTO contatos (id, nome) VALUES (1, 'Cliente 1')")
        return privacy.erase_person(conn, settings, privacy.contact_finder(1), log=LOG)


def _no_server(world: World) -> object:
    with connect("postgresql://user@127.0.0.1:1/name") as conn:
        return conn


def _decide(world: World, decision: str, number: int | None) -> object:
    with connect(world.database_url) as conn:
        return overrides.insert_override(
            conn, overrides.NewOverride("title", "Ana", decision, number, "visto", "teste")
        )


def _no_webserver(_: World) -> object:
    with dg.DagsterInstance.ephemeral() as instance:
        LaunchedRuns(instance, "http://127.0.0.1:1").launch([Task("contacts", "")])
    return None


def _no_folder_of_units(world: World) -> object:
    world.monkeypatch.setenv("XDG_CONFIG_HOME", str(world.file))
    return _command("service", "install", "--no-start")


def _unit_is_a_folder(world: World) -> object:
    world.monkeypatch.setenv("XDG_CONFIG_HOME", str(world.folder))
    (world.folder / "systemd" / "user" / "whatsapp-pipeline.service").mkdir(parents=True)
    return _command("service", "uninstall")


FAULTS: Final[dict[str, Provoke]] = {
    "assistant.client _read_prompt": _assistant_prompt,
    "automation.launching LaunchedRuns.launch": _no_webserver,
    "cli.customer customer": _customer_page,
    "cli.database_option require_free": _port_in_use,
    "cli.export export": _export_folder,
    "cli.link _read_or_fit_model": _name_model,
    "cli.link _write_decisions": _decisions,
    "cli.privacy_files delete_exports_command": _outdated_export,
    "cli.review_item read_key": _no_terminal,
    "cli.service install": _no_folder_of_units,
    "cli.service uninstall": _unit_is_a_folder,
    "databases dagster_url": _dagster_database,
    "domain.summaries.topics parse_taxonomy": lambda _: topics.parse_taxonomy("topics = 1"),
    "domain.summaries.topics load_taxonomy": lambda world: topics.load_taxonomy(world.folder),
    "embedded _start_reported": _embedded,
    "erp.folder _read": _saved_page,
    "erp.source ApiSource._page": lambda world: _erp(
        world, Fault("status", "/contatos", status=200, body='{"itens": []}')
    ),
    "erp.shared_token_store _database_errors_explained": _shared_tokens,
    "erp.tokens AccessTokens._pair": lambda world: _erp(
        world, Fault("status", TOKEN_PATH, status=200, body="{}")
    ),
    "erp.tokens AccessTokens._enter": _no_room_for_tokens,
    "steps.conversations.process_webhooks _process_leased": _webhooks,
    "steps.operations.backup take": _backup_exists,
    "steps.operations.backup _private_folder": _backup_folder,
    "steps.operations.privacy _erase_files": _erase_without_the_list,
    "store.connection connect": _no_server,
    "store.operations.console_logins ensure_logins": _console_logins,
    "store.links.overrides insert_override": lambda world: _decide(world, "contact", None),
    "store.links.overrides insert_override #2": lambda world: _decide(world, "order", 9),
    "store.table_frames read_table": _frame_of_texts,
    "webhook.spool SpoolWriter.__init__": lambda world: SpoolWriter(world.file / "spool"),
}
