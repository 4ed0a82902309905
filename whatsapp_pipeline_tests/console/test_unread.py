"""What the console shows of files and lines that could not be read, and of deliveries that wait."""

from __future__ import annotations

import ast
import logging
import re
import zipfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from whatsapp_pipeline.archive import ChatArchive
from whatsapp_pipeline.archive.raw_lines import lines_near
from whatsapp_pipeline.console import words
from whatsapp_pipeline.console.config import ConsoleConfig
from whatsapp_pipeline.steps.chats.index_chats import IndexOptions, index_month
from whatsapp_pipeline.steps.chats.load_messages import LoadOptions, load_month
from whatsapp_pipeline.store.connection import connect
from whatsapp_pipeline.store.exceptions import ExceptionRow, replace_for_files
from whatsapp_pipeline_tests.console.running import RunningConsole, running_console, text_of
from whatsapp_pipeline_tests.source_scan import package

BAD = "2025/01/ruim.txt"
LINES = [f"05/01/2025 10:0{n} - Ana: linha {n}" for n in range(1, 8)]


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    folder = tmp_path / "2025" / "01"
    folder.mkdir(parents=True)
    (folder / "ruim.txt").write_text("\n".join([*LINES[:3], "99/99/9999 <b>torta</b>", *LINES[4:]]), "utf-8")
    with zipfile.ZipFile(folder / "um.zip", "w") as packed:
        packed.writestr("_chat.txt", "\ufeff" + "\n".join(LINES))
    with zipfile.ZipFile(folder / "dois.zip", "w") as packed:
        packed.writestr("Conversa do WhatsApp com A.txt", "a")
        packed.writestr("Conversa do WhatsApp com B.txt", "b")
    return tmp_path


@pytest.fixture
def desk(fresh_database_url: str, archive: Path) -> Iterator[tuple[RunningConsole, httpx.Client]]:
    with connect(fresh_database_url) as conn:
        rows = [
            ExceptionRow("chat_messages", BAD, 1, "2025-01", 4, "invalid_date", "error", "no date that fits"),
            ExceptionRow(
                "chat_messages", BAD, 1, "2025-01", 7, "forged_header", "warning", "a sender is missing"
            ),
        ]
        replace_for_files(conn, "chat_messages", [BAD], rows)
        other = "2025/02/<i>outro</i>.zip"
        damaged = ExceptionRow(
            "chat_file_index", other, None, "2025-02", None, "zip_damaged", "error", "the zip is damaged"
        )
        note = damaged._replace(file_path="2025/02/nota.zip", kind="zip_media", severity="info")
        replace_for_files(conn, "chat_file_index", [other, note.file_path], [damaged, note])
        conn.execute(
            "INSERT INTO chat_files (filename, file_path, month, processing_status)"
            " VALUES ('ruim.txt', %s, '2025-01', 'loaded')",
            (BAD,),
        )
        conn.execute(
            "INSERT INTO webhook_inbox (delivery_id, received_at, body, status) VALUES"
            " (gen_random_uuid(), now() - interval '25 minutes', '{}', 'pending'),"
            " (gen_random_uuid(), now() - interval '9 days', '{}', 'dead'),"
            " (gen_random_uuid(), now() - interval '9 days', '{}', 'done')"
        )
    with (
        running_console(fresh_database_url, ConsoleConfig(archive=str(archive))) as running,
        running.client("reviewer", name="rita") as client,
    ):
        yield running, client


def test_home_counts_what_was_not_read_and_what_waits(desk: tuple[RunningConsole, httpx.Client]) -> None:
    running, client = desk
    page = client.get("/")
    said = text_of(page.text)
    assert "2 arquivos com partes não lidas · 3 ocorrências" in said
    assert "1 entrega do WhatsApp na fila; a mais antiga espera há 25 min" in said
    assert "1 entrega do WhatsApp falhou várias vezes e parou" in said
    assert 'href="/unread"' in page.text
    with running.client("reader") as reader:
        seen = reader.get("/").text
        assert "2 arquivos com partes não lidas" in text_of(seen)
        assert 'href="/unread"' not in seen
        assert reader.get("/unread").status_code == 403
        assert reader.get("/unread/file", params={"path": BAD}).status_code == 403


def test_the_list_has_files_and_no_mere_notes(desk: tuple[RunningConsole, httpx.Client]) -> None:
    _, client = desk
    page = client.get("/unread").text
    assert "2025/02/&lt;i&gt;outro&lt;/i&gt;.zip" in page
    assert "nota.zip" not in page
    assert "trecho que parece colado de outra conversa, data ou hora que não existe" in page
    assert "forged_header" not in page
    january = client.get("/unread", params={"month": "2025-01"}).text
    assert "ruim.txt" in january
    assert "outro" not in january
    assert "ruim.txt" not in client.get("/unread", params={"after": BAD}).text


def _kinds_of_trouble() -> set[str]:
    """Return the kinds of finding that the code of reading writes as a warning or an error."""
    found = set()
    for path, tree in package().items():
        if not {"archive", "transcripts", "chats"} & set(path.parts):
            continue
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            texts = [one.value if isinstance(one, ast.Constant) else None for one in call.args]
            for kind, severity in pairwise(texts):
                if severity in {"warning", "error"} and isinstance(kind, str):
                    found.add(kind)
            if getattr(call.func, "id", "") == "UnreadableFileError" and isinstance(texts[0], str):
                found.add(texts[0])
            if getattr(call.func, "id", "") == "FileProblemError" and isinstance(texts[1], str):
                found.add(texts[1])
    return found


def test_every_kind_of_finding_has_words_in_portuguese() -> None:
    kinds = _kinds_of_trouble()
    assert {"zip_damaged", "changed_since_indexed", "invalid_date", "vanished"} <= kinds
    assert sorted(kinds) == sorted(words.FINDINGS)


def test_a_kind_without_words_is_another_finding(desk: tuple[RunningConsole, httpx.Client]) -> None:
    running, client = desk
    with connect(running.database_url) as conn:
        conn.execute("UPDATE exceptions SET kind = 'of_tomorrow' WHERE line = 4")
    assert "outra ocorrência" in text_of(client.get("/unread").text)
    assert "outra ocorrência · linha 4" in text_of(client.get("/unread/file", params={"path": BAD}).text)


def test_a_file_shows_each_finding_between_its_neighbours(desk: tuple[RunningConsole, httpx.Client]) -> None:
    running, client = desk
    page = client.get("/unread/file", params={"path": BAD}).text
    said = text_of(page)
    assert "99/99/9999 &lt;b&gt;torta&lt;/b&gt;" in page
    assert "linha 2" in said
    assert "linha 6" in said
    assert "linha 1 " not in said
    assert "no date that fits" in said
    assert "data ou hora que não existe · linha 4" in said
    with connect(running.database_url) as conn:
        assert conn.execute("SELECT count(*) FROM console_views").fetchone() == (1,)
    missing = client.get("/unread/file", params={"path": "2025/01/nenhum.txt"})
    assert missing.status_code == 404


def test_how_a_file_is_read_is_remembered(desk: tuple[RunningConsole, httpx.Client]) -> None:
    running, client = desk

    def options() -> object:
        with connect(running.database_url) as conn:
            row = conn.execute("SELECT parse_options FROM chat_files").fetchone()
        return row and row[0]

    form = {"path": BAD, "format": "android", "date_order": "mdy", "owner": "Loja"}
    saved = client.post("/unread/file", data=form)
    assert saved.headers["location"].endswith("&saved=1")
    words = text_of(client.get(saved.headers["location"]).text)
    assert "Releitura pedida" in words
    assert "datas mês/dia/ano · formato Android · loja Loja por rita" in words
    assert "O arquivo ainda não foi lido assim." in words
    assert options() == {"format": "android", "date_order": "mdy", "owner": ["Loja"]}
    client.post("/unread/file", data={"path": BAD, "format": "auto", "date_order": ""})
    assert options() == {"date_order": "mdy", "owner": ["Loja"]}
    for unfit in ({"format": "word"}, {"date_order": "x"}, {}):
        assert client.post("/unread/file", data={"path": BAD, **unfit}).status_code == 400, unfit
    unknown = client.post("/unread/file", data={"path": "2025/02/<i>outro</i>.zip", "format": "ios"})
    assert unknown.headers["location"].endswith("&saved=0")
    with running.client("analyst") as analyst:
        assert analyst.post("/unread/file", data=form).status_code == 403
        assert "Ler de outro jeito" not in analyst.get("/unread/file", params={"path": BAD}).text


def test_a_choice_is_shown_as_pending_until_a_load_has_read_the_file(
    desk: tuple[RunningConsole, httpx.Client], archive: Path
) -> None:
    running, client = desk
    address = client.post("/unread/file", data={"path": BAD, "format": "android"}).headers["location"]
    listed = text_of(client.get("/unread").text)
    assert re.search(r"1 arquivo espera nova leitura Com o Dagster [^/]* 2025/01/ruim.txt", listed)
    chats, log = ChatArchive(str(archive)), logging.getLogger(__name__)
    with connect(running.database_url) as conn:
        index_month(conn, chats, "2025-01", IndexOptions(workers=1), log=log)
        load_month(conn, chats, "2025-01", LoadOptions(), log=log)
    page = text_of(client.get(address).text)
    assert "Lido de novo em" in page
    assert "Releitura pedida" not in page
    assert "espera nova leitura" not in text_of(client.get("/unread").text)
    with connect(running.database_url) as conn:
        conn.execute("DELETE FROM exceptions")
    clean = client.get(address)
    assert clean.status_code == 200
    assert "Tudo o que está neste arquivo foi lido." in text_of(clean.text)


def test_a_file_that_cannot_be_opened_does_not_wait_for_ever(
    desk: tuple[RunningConsole, httpx.Client], archive: Path
) -> None:
    running, client = desk
    saved = client.post("/unread/file", data={"path": BAD, "date_order": "dmy"})
    assert "espera nova leitura" in text_of(client.get("/unread").text)
    (archive / BAD).unlink()
    with connect(running.database_url) as conn:
        index_month(
            conn,
            ChatArchive(str(archive)),
            "2025-01",
            IndexOptions(workers=1),
            log=logging.getLogger(__name__),
        )
    page = text_of(client.get(saved.headers["location"]).text)
    assert "O arquivo não pôde ser aberto" in page
    assert "Lido de novo em" not in page
    assert "espera nova leitura" not in text_of(client.get("/unread").text)


def test_lines_are_those_of_the_file(archive: Path) -> None:
    root = str(archive)
    assert lines_near(root, BAD, [1], context=1) == {1: [(1, LINES[0]), (2, LINES[1])]}
    assert lines_near(root, BAD, [7], context=1) == {7: [(6, LINES[5]), (7, LINES[6])]}
    assert lines_near(root, "2025/01/um.zip", [1], context=0) == {1: [(1, LINES[0])]}
    assert lines_near(root, BAD, [99, 0, -1], context=2) == {}
    for path in ("2025/01/dois.zip", "2025/01/nenhum.txt", "../outside.txt", "2025/01"):
        assert lines_near(root, path, [1], context=2) == {}, path
    (archive / "wide.txt").write_bytes("uma\r\nduas\r\n".encode("utf-16"))
    assert lines_near(root, "wide.txt", [2], context=1) == {2: [(1, "uma"), (2, "duas")]}
    (archive / "long.txt").write_bytes(b"x" * 50_000 + b"\nfim\xff\n")
    assert lines_near(root, "long.txt", [2], context=1)[2] == [(1, "x" * 2000), (2, "fimÿ")]


def test_a_link_does_not_lead_out_of_the_archive(
    archive: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    secret = tmp_path_factory.mktemp("outside") / "secret.txt"
    secret.write_text("segredo", "utf-8")
    (archive / "link.txt").symlink_to(secret)
    assert lines_near(str(archive), "link.txt", [1], context=0) == {}
