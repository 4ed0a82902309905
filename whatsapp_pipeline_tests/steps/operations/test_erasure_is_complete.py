"""Three people are erased, and a search of everything finds none of them: database, files, logs and Dagster.

The search knows every spelling of their numbers and names. It is made after the erasure, after the next run
with new deliveries, after the restore of an older backup, and in the backups themselves.
"""

from __future__ import annotations

import asyncio
import html
import json
import logging
import re
import subprocess
import unicodedata
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import dagster as dg
import pytest
from click.testing import CliRunner

from whatsapp_pipeline import settings
from whatsapp_pipeline.automation.headless import run_chain
from whatsapp_pipeline.backups import backup_options
from whatsapp_pipeline.cli import cli
from whatsapp_pipeline.definitions import build_defs
from whatsapp_pipeline.resources.database import Database
from whatsapp_pipeline.resources.sources import Archive
from whatsapp_pipeline.steps.operations import backup
from whatsapp_pipeline.store.connection import connect
from whatsapp_pipeline.store.pg_tools import environment, find_programs
from whatsapp_pipeline.webhook.drainer import CORRUPT
from whatsapp_pipeline.webhook.quarantine import Quarantine, quarantine_directory
from whatsapp_pipeline.webhook.spool import SpoolWriter, spool_directory
from whatsapp_pipeline_tests.block_files import Said, block, write_chat
from whatsapp_pipeline_tests.webhook.deliveries import NOON, delivery, edit, process, put, text

LOG = logging.getLogger(__name__)
MARIA, JOAO = 101, 102
# Her number, the one she changed to, a lead's, and two that stay.
FIRST, SECOND, LEAD, KEPT, OTHER = "99990101", "99990102", "99990103", "99990104", "99990105"
# A label in a combined file, and when the staff wrote to the lead.
PEDRO = "Pedro 9999-0101 vizinho"
RETURN = datetime(2025, 1, 13, 9, 0, 7)
WORDS = ("zulmira", "quiteria", "wandeca", "br.777777")


def wa(number: str) -> str:
    """A number as WhatsApp sends it, ninth digit included."""
    return f"55419{number}"


def deliveries() -> list[Any]:
    """Deliveries of every shape that names one of the three, beside somebody who stays."""
    others: dict[str, Any] = {"group_id": "G1"}
    system = {"wa_id": wa(SECOND), "type": "user_changed_number", "body": f"Zulmira: +55 41 9{SECOND[:4]}"}
    book = [
        {
            "type": "contact",
            "contact": {"full_name": "Zulmira S", "phone_number": wa(FIRST)},
            "action": "add",
        },
        {"type": "contact", "contact": {"full_name": "Joao", "phone_number": wa(KEPT)}, "action": "add"},
    ]
    card = [{"name": {"formatted_name": "Quitéria"}, "phones": [{"phone": "+55 41 9999-0103"}]}]
    names = {FIRST: "Zulmira", LEAD: "Quitéria"}
    people = [{"wa_id": wa(n), "profile": {"name": name}} for n, name in names.items()]
    error = {"code": 131026, "title": "x", "error_data": {"details": f"to +{wa(FIRST)} failed"}}
    return [
        delivery(text("m1", "oi, Zulmira aqui", sender=wa(FIRST)), contacts=people[:1]),
        delivery({"from": wa(FIRST), "id": "m2", "timestamp": "1", "type": "system", "system": system}),
        delivery(text("m3", "agora neste", sender=wa(SECOND)), text("m4", "eu fico", sender=wa(KEPT))),
        delivery(text("m5", "quero um orçamento", sender=wa(LEAD)), contacts=people[1:]),
        delivery(
            text("m6", "sem número", sender=None, from_user_id="BR.777777"),
            contacts=[{"user_id": "BR.777777", "profile": {"name": "Wandeca"}}],
        ),
        delivery(text("g1", "no grupo", sender=wa(FIRST), **others)),
        delivery(text("g2", "liga para ela: fone419 9999–0101", sender=wa(KEPT), **others)),
        delivery(text("g3", "resposta", sender=wa(KEPT), context={"from": wa(FIRST), "id": "g1"}, **others)),
        delivery(text("w1", "fala com ela: (41) 99999-0101", sender=wa(KEPT))),
        delivery(edit("w2", "w1", "deixa, eu falo", at=NOON + 1, sender=wa(KEPT))),
        delivery(text("w3", "anota: \uff19\uff19\uff19\uff19\uff10\uff11\uff10\uff11", sender=wa(KEPT))),
        delivery(text("w4", "oi", sender=wa(KEPT), by_number={wa(FIRST): 1})),
        delivery(text("w6", "41:99999:0101 ou 41,99999,0103 ou 41'99999'0102, às 10:30", sender=wa(KEPT))),
        delivery(field="customer_event", customer={"phone": wa(FIRST), "name": "Zulmira"}),
        delivery(field="lead_event", lead={"name": "Quitéria", "reach": {"tel": "(41) 99999-0103"}}),
        delivery(
            text("w5", "oi", sender=wa(OTHER)),
            contacts=[{"wa_id": wa(OTHER), "profile": {"name": "Filho 41 9999-0101"}}],
        ),
        delivery({"from": wa(KEPT), "id": "c1", "timestamp": "1", "type": "contacts", "contacts": card}),
        delivery(
            statuses=[
                {
                    "id": "out",
                    "status": "read",
                    "timestamp": "1",
                    "recipient_id": "G1",
                    "recipient_type": "group",
                    "recipient_participant_id": wa(FIRST),
                }
            ]
        ),
        delivery(field="smb_app_state_sync", state_sync=book),
        delivery(field="calls", calls=[{"id": "k", "from": wa(FIRST), "to": "1", "event": "connect"}]),
        delivery(field="user_preferences", user_preferences=[{"wa_id": wa(LEAD), "value": "stop"}]),
        delivery(errors=[error]),
        f'{{"broken": "{wa(FIRST)}", Zulmira'.encode(),
        b'{"broken": "41 99999\\n0101',
        b'{"broken too": "(41) 99999 0103"',
        b"fone=%2B55%2041%2099999%200101",
    ]


def archive(root: Path) -> Path:
    write_chat(
        root, block([Said(0, "from", "oi, é a Zulmira")], phone=f"+{wa(FIRST)}"), title="+55 41 99999-0101"
    )
    write_chat(
        root,
        block([Said(0, "from", "mudei de número")], phone=f"+{wa(SECOND)}"),
        title="+55 41 9999-0102",
        time="2025-01-06 10 00 00",
    )
    write_chat(
        root,
        block([Said(0, "from", "orçamento?")], phone=f"+{wa(LEAD)}"),
        title="(41) 99999 0103",
        time="2025-01-07 10 00 00",
    )
    write_chat(
        root,
        block(
            [Said(0, "from", "e aí?"), Said(1, "to", "oi, Quitéria")],
            label="Quitéria orçamento",
            phone=f"+{wa(LEAD)}",
        ),
        title="Quitéria orçamento",
        time="2025-01-10 10 00 00",
    )
    write_chat(
        root,
        block([Said(0, "from", "passe o meu número: 41.99999-0103 ou 9999 0101")], phone=f"+{wa(KEPT)}"),
        title="Joao Kept",
        time="2025-01-08 10 00 00",
    )
    group = "".join(
        block([Said(minute, "from", said)], label="Grupo da Loja", phone=f"+{wa(number)}")
        for minute, number, said in (
            (0, KEPT, "bom dia"),
            (1, FIRST, "bom dia, Zulmira aqui"),
            (2, LEAD, "Quitéria também"),
            (3, KEPT, "o fone41999990101 não atende"),
            (4, KEPT, "ou \uff19\uff19\uff19\uff19-\uff10\uff11\uff10\uff11"),
            (5, KEPT, "https://wa.me/?phone=%2B55%2841%2999999%200101"),
            (6, KEPT, "41&nbsp;99999&#45;0101, sim?"),
            (7, KEPT, "41<br>99999   -   -   0101"),
            (8, KEPT, '<font size="2">9999</font>-<font size="2">0101</font>'),
            (9, KEPT, "❾❾❾❾-⓪❶⓪❶"),
        )
    )
    write_chat(root, group, title="Grupo da Loja", time="2025-01-09 10 00 00")
    # Both of her numbers in the headers; what only the staff wrote, with no number but in the title.
    write_chat(
        root,
        block([Said(0, "from", "meu número velho")], label="Zulmira dois", phone=f"+{wa(FIRST)}")
        + block(
            [Said(1, "from", "e o novo"), Said(2, "to", "anotado, Zulmira")],
            label="Zulmira dois",
            phone=f"+{wa(SECOND)}",
        ),
        title="Zulmira dois",
        time="2025-01-12 10 00 00",
    )
    write_chat(
        root,
        block([Said(0, "to", "oi, Quitéria, seu orçamento")], label=f"+{wa(LEAD)}", start=RETURN),
        title="+55 41 99999-0103",
        time="2025-01-13 09 00 07",
    )
    # Others, whose folders, titles and labels hold a number of hers.
    rosa = block([Said(0, "from", "as fotos")], label="Rosa Lima", phone=f"+{wa(OTHER)}")
    write_chat(root, rosa, title="Rosa Lima", month="2025/01/Fotos 41 99999-0101", time="2025-01-14 10 00 00")
    write_chat(root, rosa, title="Rosa Lima (mãe 9999.0102)", time="2025-01-15 10 00 00")
    combined = block([Said(0, "from", "e aí")], label=PEDRO, phone=f"+{wa(OTHER)}") + block(
        [Said(1, "from", "oi, Quitéria aqui")], label="+55 41 99999-0103", phone=f"+{wa(LEAD)}"
    )
    path = root / "2025" / "01" / "WhatsApp - 844 sesiones de chat.txt"
    path.write_text(combined, encoding="utf-8")
    return root


def later_archive(root: Path) -> None:
    """What is exported after the erasure: chats under new names, some without a number, and changed files."""
    write_chat(
        root,
        block(
            [Said(0, "from", "voltei"), Said(1, "to", "oi, Zulmira")],
            label="Zulmira nova",
            phone=f"+{wa(FIRST)}",
        ),
        title="Zulmira nova",
        time="2025-01-11 10 00 00",
    )
    write_chat(
        root,
        block([Said(0, "to", "oi, Quitéria, seu orçamento")], label="Quitéria retorno", start=RETURN)
        + block(
            [Said(0, "to", "Quitéria, ainda quer?")],
            label="Quitéria retorno",
            start=RETURN + timedelta(days=3),
        ),
        title="Quitéria retorno",
        time="2025-01-13 09 00 08",
    )
    write_chat(
        root,
        block(
            [Said(0, "to", "seu notebook está pronto")],
            label="Zulmira Souza notebook",
            start=RETURN + timedelta(days=5),
        ),
        title="Zulmira Souza notebook",
        time="2025-01-18 10 00 00",
    )
    write_chat(
        root,
        block([Said(0, "from", "oi")], label="Vera", phone="+5541999990106"),
        title="Vera",
        month="2025/01/99999–0101",
        time="2025-01-19 10 00 00",
    )
    for path in root.rglob("*.txt"):
        path.write_bytes(path.read_bytes() + b"\n")
    (root / "41 9999-0101.txt").write_text("nada de chat")  # of no month: only a finding names it


def write_notes(url: str) -> None:
    """Have people write the numbers wherever a reason or a note can be given."""
    with connect(url) as conn:
        conn.execute(
            "SELECT override_link('title', %s, 'contact', %s, %s)",
            (PEDRO, JOAO, "a mulher dele tem (41) 99999-0101"),
        )
        conn.execute(
            "SELECT override_link('file', file_path, 'no_contact', NULL, 'ver 41 99999-0101') FROM chat_files"
            " WHERE title = 'Rosa Lima'"
        )
        conn.execute("INSERT INTO pauses (reason, ended_at) VALUES ('falar com 41 99999 0103', now())")
        conn.execute(
            "INSERT INTO qa_acceptances (check_name, failing, reason, until)"
            " VALUES ('chats_are_not_empty', 1, 'é o 99999-0102', '2026-01-01')"
        )
        conn.execute(
            "INSERT INTO checkpoint_waivers (checkpoint, reason)"
            " VALUES ('files_indexed', 'falta o 41:99999:0103')"
        )
        conn.execute(
            "INSERT INTO review_verdicts (id_chat_file, verdict, match_status, note)"
            " SELECT id, 'unsure', 'unmatched', 'não é (41) 9999-0101' FROM chat_files"
            " WHERE title = 'Joao Kept'"
        )


class World:
    """A database, an archive, a `.local` and a Dagster instance, and a search of them all."""

    def __init__(self, url: str, tmp_path: Path) -> None:
        self.url, self.tmp_path = url, tmp_path
        self.local, self.dagster = tmp_path / "local", tmp_path / "dagster"
        self.root = archive(tmp_path / "archive")
        self.dagster.mkdir()

    def run(self) -> None:
        defs = build_defs({"database": Database(url=self.url), "archive": Archive(root=str(self.root))})
        with dg.DagsterInstance.local_temp(str(self.dagster)) as instance:
            outcome = run_chain(defs, instance, months=["2025-01"], with_erp=False)
        assert outcome.errors == []

    def receive(self) -> None:
        with connect(self.url) as conn:
            put(conn, *deliveries())
            process(conn)

    def fill_files(self) -> None:
        """Put the people into the spool, the quarantine, a damaged segment, saved pages and a report."""
        directory = spool_directory(settings.load_settings())
        body = json.dumps(deliveries()[0]).encode()

        async def receive() -> None:
            writer = SpoolWriter(directory)
            await writer.append(body)
            writer.close()

        asyncio.run(receive())
        Quarantine(quarantine_directory(directory)).keep(body)
        (directory / CORRUPT).mkdir(parents=True, exist_ok=True)
        (directory / CORRUPT / "1.seg").write_bytes(b"torn " + body[:-20])
        pages = self.local / "erp_backup" / "1" / "contatos"
        pages.mkdir(parents=True)
        (pages / "B-0.json").write_text(json.dumps({"itens": [{"id": MARIA, "nome": "Zulmira Souza"}]}))
        done = self.command("report", "--all", "--names")
        assert done.exit_code == 0, done.output

    def command(self, *arguments: str) -> Any:
        return CliRunner().invoke(cli, arguments)

    def dump(self, url: str) -> str:
        """A whole pg_dump as text, with byte columns decoded."""
        with connect(url) as conn:
            programs = find_programs(conn.info.server_version // 10000)
        done = subprocess.run(
            [programs.path("pg_dump"), "--inserts"], env=environment(url), capture_output=True, check=True
        )
        return _decoded(done.stdout.decode("utf-8", "replace"))

    def statistics(self, url: str) -> str:
        """What the server knows of the tables' values, which everybody who reads a table can read too."""
        with connect(url) as conn:
            return str(conn.execute("SELECT most_common_vals, histogram_bounds FROM pg_stats").fetchall())

    def files(self) -> dict[str, str]:
        """Every file of `.local` and of Dagster, without dumps, which are compressed."""
        return {
            str(path.relative_to(self.tmp_path)): path.read_bytes().decode("utf-8", "replace")
            for folder in (self.local, self.dagster)
            for path in folder.rglob("*")
            if path.is_file() and path.suffix != ".dump"
        }

    def traces(self, url: str | None = None) -> list[str]:
        """Name where one of the three is found, and the passage."""
        dump = self.dump(url or self.url)
        places = {"database": dump, "statistics": self.statistics(url or self.url), **self.files()}
        return [f"{place}: …{found}…" for place, held in places.items() for found in search(held)]


def _decoded(dump: str) -> str:
    return re.sub(r"'\\x([0-9a-f]+)'", lambda match: bytes.fromhex(match[1]).decode("utf-8", "replace"), dump)


def search(held: str) -> list[str]:
    """Find the three in a text: digits with any marks between them, names without accents."""
    plain = "".join(
        char for char in unicodedata.normalize("NFKD", held.casefold()) if not unicodedata.combining(char)
    ).replace(r"\u00e9", "e")
    plain = re.sub(r'<[^<>0-9]*>|<font size="2">|\\+n', " ", html.unescape(unquote(plain)))
    plain = "".join(str(unicodedata.digit(char, char)) for char in plain)
    numbers = [r"[^0-9a-z]{0,12}".join(number) for number in (FIRST, SECOND, LEAD)]
    pattern = re.compile("|".join([*numbers, *map(re.escape, WORDS)]))
    return [plain[max(0, m.start() - 60) : m.end() + 20] for m in pattern.finditer(plain)]


@pytest.fixture
def world(fresh_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(fresh_database_url, tmp_path)
    changed = {
        "PIPELINE_LOCAL_DIR": str(made.local),
        "DATABASE_URL": made.url,
        "CHAT_ARCHIVE": str(made.root),
        "DAGSTER_HOME": str(made.dagster),
    }
    for name, value in changed.items():
        monkeypatch.setenv(name, value)
    with connect(made.url) as conn:
        conn.execute(
            "INSERT INTO contatos (id, nome, celular) VALUES (%s, 'Zulmira Souza', '(41) 99999-0101'),"
            " (%s, 'Joao Kept', '(41) 99999-0104')",
            (MARIA, JOAO),
        )
        conn.execute(
            "INSERT INTO exceptions (stage, file_path, month, kind, severity, detail) VALUES"
            " ('chat_file_index', '2025/01/41 99999-0103.zip', '2025-01', 'zip_damaged', 'error', 'damaged')"
        )
        conn.execute(
            "INSERT INTO ignored_files (file_path, reason) VALUES ('2025/01/+55 41 99999 0101.txt', 'copy')"
        )
    made.run()
    made.receive()
    made.fill_files()
    write_notes(made.url)
    return made


def test_three_erased_people_are_found_nowhere(
    world: World, empty_database_url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    options = backup_options(settings.load_settings())
    taken = backup.take(world.url, options, reason="before", log=LOG)
    with connect(world.url) as conn:
        conn.execute("ANALYZE")
    before = "\n".join(world.traces())
    for place in ("database", "statistics", "local/webhook-spool", "local/erp_backup", "local/reports"):
        assert place in before, place

    with connect(world.url) as conn:
        row = conn.execute("SELECT id FROM conversations WHERE external_id = 'BR.777777'").fetchone()
    assert row is not None
    for who in (("--contact", "101"), ("--phone", "+55 41 99999-0103"), ("--conversation", str(row[0]))):
        exported = world.command("privacy", "export", *who)
        assert exported.exit_code == 0, exported.exception
        held = json.loads(exported.stdout)
        assert held["webhook_inbox"], who
        if who[1] != str(row[0]):  # what they wrote in groups, of the archive and live
            wrote = {message["message_text"] for message in held["messages in group chats"]}
            assert wrote & {"bom dia, Zulmira aqui", "Quitéria também"}
        live = [message["text"] for message in held["conversation_messages"]]
        assert ("no grupo" in live) == (who[1] == "101")
        erased = world.command("privacy", "erase", *who, "--yes")
        assert erased.exit_code == 0, erased.exception
    assert world.traces() == []
    with connect(world.url) as conn:  # who was not asked about is as before
        kept = conn.execute("SELECT text FROM conversation_messages ORDER BY id").fetchall()
        assert ("eu fico",) in kept
        assert ("liga para ela: fone[apagado]",) in kept
        titles = conn.execute("SELECT title FROM chat_files ORDER BY 1").fetchall()
        assert titles == [("Grupo da Loja",), ("Joao Kept",), ("Pedro [apagado] vizinho",)]
        decisions = conn.execute("SELECT target, reason FROM link_overrides ORDER BY id").fetchall()
        assert decisions[0] == ("pedro [apagado] vizinho", "a mulher dele tem [apagado]")
        assert conn.execute("SELECT reason FROM pauses").fetchone() == ("falar com [apagado]",)
        said = "SELECT message_text FROM chat_messages JOIN chat_files f ON f.id = id_chat_file"
        assert conn.execute(f"{said} WHERE is_group ORDER BY ordinal").fetchall() == [
            ("bom dia",),
            ("[apagado]",),
            ("[apagado]",),
            ("o fone[apagado] não atende",),
            ("ou [apagado]",),
            ("https://wa.me/?phone=[apagado]",),
            ("[apagado], sim?",),
            ("[apagado]",),
            ('<font size="2">[apagado]</font>',),
            ("[apagado]",),
        ]
        book = conn.execute("SELECT raw_json::text FROM webhook_events WHERE kind LIKE '%state_sync'")
        assert "Joao" in str(book.fetchall())

    world.receive()  # the next run, with new deliveries of the same people and files that are read again
    later_archive(world.root)
    world.run()
    assert world.traces() == []
    with connect(world.url) as conn:  # and the decision about who stays is still in force
        linked = conn.execute("SELECT id_contato FROM chat_files WHERE title LIKE 'Pedro%%'").fetchall()
        assert linked == [(JOAO,)]

    restored = world.command("restore", "--into", empty_database_url, "--file", taken.file)
    assert restored.exit_code == 0, restored.exception
    assert "were erased again" in restored.output
    assert world.traces(empty_database_url) == []

    cleaned = world.command("privacy", "clean-backups")
    assert cleaned.exit_code == 0, cleaned.exception
    programs = find_programs(taken.server_version // 10000)
    script = subprocess.run(
        [programs.path("pg_restore"), "-f", "-", str(options.folder / taken.file)],
        capture_output=True,
        check=True,
    )
    assert search(_decoded(script.stdout.decode("utf-8", "replace")).replace("\\\\x", "")) == []
    printed = capfd.readouterr()
    assert search(printed.out + printed.err) == []
