"""The files that customers sent, as the console hands them out."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from whatsapp_pipeline.console.config import ConsoleConfig
from whatsapp_pipeline.store.connection import connect
from whatsapp_pipeline.store.operations.console_views import view_subject
from whatsapp_pipeline_tests.console.people import PreparedPeople, write_people
from whatsapp_pipeline_tests.console.running import KEY, RunningConsole, running_console

NAMES = {
    10: "foto da tela.jpg",
    11: "missing.jpg",
    12: "../secret.jpg",
    13: "evil\u202egpj.exe",
    14: "in.jpg",
}


@pytest.fixture
def prepared(fresh_database_url: str, tmp_path: Path) -> Iterator[tuple[RunningConsole, PreparedPeople]]:
    """Ana's chat lies in a folder with some files, and a copy of one message in a zip."""
    archive = tmp_path / "archive"
    archive.mkdir()
    (archive / "foto da tela.jpg").write_bytes(b"<script>alert(1)</script>" * 40_000)
    (archive / "evil\u202egpj.exe").write_bytes(b"MZ")
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    with zipfile.ZipFile(archive / "again.zip", "w") as packed:
        packed.writestr("in.jpg", b"of the copy")
    people = write_people(fresh_database_url)
    with connect(fresh_database_url) as conn, conn.transaction():
        for number, name in NAMES.items():
            conn.execute(
                "UPDATE chat_messages SET attachment_kind = 'image', attachment_name = %s WHERE id = %s",
                (name, people.first + number),
            )
        conn.execute(
            "UPDATE chat_messages SET attachment_kind = 'image', attachment_name = 'foto da tela.jpg'"
            " WHERE type = 'deleted'"
        )
        conn.execute(
            """
            WITH copied AS (
                INSERT INTO chat_files (filename, file_path, month, title, processing_status)
                VALUES ('again.zip', 'again.zip', '2025-02', 'A', 'loaded') RETURNING id)
            INSERT INTO chat_messages (id_chat_file, ordinal, message_timestamp, direction, type, line,
                                       body_hash, attachment_kind, attachment_name, duplicate_of)
            SELECT copied.id, 1, now()::timestamp, 'from', 'text', 1, 1, 'image', 'in.jpg', %s FROM copied
            """,
            (people.first + 14,),
        )
    with running_console(fresh_database_url, ConsoleConfig(archive=str(archive))) as running:
        yield running, people


def test_a_file_is_saved_and_never_shown(prepared: tuple[RunningConsole, PreparedPeople]) -> None:
    running, people = prepared
    with running.client("analyst") as client:
        answer = client.get(f"/attachments/chat:{people.first + 10}")
        assert answer.content == b"<script>alert(1)</script>" * 40_000
        assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''foto%20da%20tela.jpg"
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        disguised = client.get(f"/attachments/chat:{people.first + 13}")
        assert disguised.headers["content-disposition"] == "attachment; filename*=UTF-8''evilgpj.exe"
        # A copy of the message in another export has the file.
        assert client.get(f"/attachments/chat:{people.first + 14}").content == b"of the copy"


def test_a_missing_file_is_a_page(prepared: tuple[RunningConsole, PreparedPeople]) -> None:
    running, people = prepared
    with running.client("analyst") as client:
        for number in (11, 12):
            answer = client.get(f"/attachments/chat:{people.first + number}")
            assert answer.status_code == 404
            assert "Anexo não encontrado" in answer.text
        # No attachment, a deleted message, a live message, no message, no name.
        first = people.first
        for ref in (f"chat:{first}", f"chat:{first + 3}", f"webhook:{people.edited}", "chat:999999", "x"):
            assert client.get(f"/attachments/{ref}").status_code == 404, ref


def test_a_conversation_links_the_files_that_are_there(
    prepared: tuple[RunningConsole, PreparedPeople],
) -> None:
    running, people = prepared
    with running.client("analyst") as client:
        page = client.get(f"/customers/7?around=chat:{people.first + 10}").text
        files = re.findall(r'<span class="file">.*?</span>(?=\n)', page)
        there = [name for name in NAMES if f"/attachments/chat:{people.first + name}" in page]
        assert there == [10, 13, 14]
        assert len(files) == len(NAMES)
        assert sum("não está no arquivo de conversas" in file for file in files) == 2
        order = client.get("/orders/30415").text
        assert f"/attachments/chat:{people.first + 10}" in order


def test_a_download_needs_the_level_and_is_on_record(
    prepared: tuple[RunningConsole, PreparedPeople],
) -> None:
    running, people = prepared
    path = f"/attachments/chat:{people.first + 10}"
    with running.client("reader") as reader, running.client() as nobody:
        assert reader.get(path).status_code == 403
        assert nobody.get(path).headers["location"].startswith("/login?next=")

    def exports() -> list[tuple[str, bytes]]:
        with connect(running.database_url) as conn:
            return conn.execute("SELECT action, subject FROM console_views").fetchall()

    with running.client("analyst") as client:
        client.get(f"/attachments/chat:{people.first + 11}")
        assert exports() == []  # nothing was sent
        client.get(path)
    assert exports() == [("export", view_subject(KEY, 7, ""))]


def test_an_erased_message_gives_no_file(prepared: tuple[RunningConsole, PreparedPeople]) -> None:
    from whatsapp_pipeline.domain.redaction import ERASED

    running, people = prepared
    with connect(running.database_url) as conn:
        conn.execute(
            "UPDATE chat_messages SET attachment_name = %s WHERE id = %s", (ERASED, people.first + 10)
        )
    with running.client("analyst") as client:
        assert client.get(f"/attachments/chat:{people.first + 10}").status_code == 404


def test_without_an_archive_no_file_is_offered(fresh_database_url: str) -> None:
    people = write_people(fresh_database_url)
    with connect(fresh_database_url) as conn:
        conn.execute(
            "UPDATE chat_messages SET attachment_kind = 'image', attachment_name = 'hosts' WHERE id = %s",
            (people.first,),
        )
    with running_console(fresh_database_url) as running, running.client("analyst") as client:
        page: httpx.Response = client.get(f"/customers/7?around=chat:{people.first}")
        assert "não está no arquivo de conversas" in page.text
        assert client.get(f"/attachments/chat:{people.first}").status_code == 404
