"""One contact exported, erased, and not brought back by anything."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from click.testing import CliRunner, Result

from whatsapp_pipeline import privacy_key, settings
from whatsapp_pipeline.archive import ChatArchive
from whatsapp_pipeline.backups import backup_options
from whatsapp_pipeline.cli import cli
from whatsapp_pipeline.errors import PipelineError
from whatsapp_pipeline.resources.database import Database
from whatsapp_pipeline.steps.chats.index_chats import IndexOptions, index_month
from whatsapp_pipeline.steps.chats.load_messages import LoadOptions, load_month
from whatsapp_pipeline.steps.contacts.erp_load import ContactLoader
from whatsapp_pipeline.steps.contacts.normalize_contacts import normalize_contacts
from whatsapp_pipeline.steps.conversations.process_webhooks import ProcessOptions, process_due
from whatsapp_pipeline.steps.links.link_contacts import LinkOptions
from whatsapp_pipeline.steps.operations import backup, privacy
from whatsapp_pipeline.store import grants
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.operations import dumps, suppression
from whatsapp_pipeline.webhook.quarantine import Quarantine, quarantine_directory
from whatsapp_pipeline.webhook.receiver import config_from
from whatsapp_pipeline.webhook.spool import SpoolWriter
from whatsapp_pipeline_tests.truth.linked_months import link_month

LOG = logging.getLogger(__name__)
MONTH = "2025-01"
MARIA, JOAO = 101, 102
MOBILE = "+55 41 99999-0001"


@pytest.fixture
def local_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `.local` of the test's own, for the key and the list."""
    monkeypatch.setenv("PIPELINE_LOCAL_DIR", str(tmp_path / "local"))
    return tmp_path / "local"


@pytest.fixture
def archive(tmp_path: Path) -> ChatArchive:
    folder = tmp_path / "archive" / "2025" / "01"
    folder.mkdir(parents=True)
    sample = settings.PROJECT_ROOT / "data" / "organized_whatsapp_chats"
    # Files of the sample under titles of our own: their bodies are what the reader knows.
    bodies = sorted(path for path in sample.rglob("*.txt") if path.stat().st_size > 400)[:3]
    for title, body, hour in zip(
        (MOBILE, "Joao Andrade Lima", "+55 41 99999-0002"), bodies, (10, 11, 12), strict=True
    ):
        (folder / f"WhatsApp - 2025-01-05 {hour} 00 00 - {title}.txt").write_bytes(body.read_bytes())
    return ChatArchive(str(tmp_path / "archive"))


def _run(conn: Connection, archive: ChatArchive) -> None:
    index_month(conn, archive, MONTH, IndexOptions(workers=1), log=LOG)
    link_month(conn, MONTH, LinkOptions(), log=LOG)
    load_month(conn, archive, MONTH, LoadOptions(), log=LOG)


@pytest.fixture
def filled(fresh_database_url: str, archive: ChatArchive, local_dir: Path) -> Iterator[Connection]:
    with connect(fresh_database_url) as conn:
        conn.execute(
            "INSERT INTO contatos (id, nome, celular)"
            " VALUES (%s, 'Maria Souza', %s), (%s, 'Joao Andrade Lima', '')",
            (MARIA, MOBILE, JOAO),
        )
        conn.execute("INSERT INTO ordens_servico (id, id_contato) VALUES (9, %s)", (MARIA,))
        conn.execute("SELECT override_link('phone', %s, 'contact', %s, 'Maria disse')", (MOBILE, MARIA))
        conn.execute(
            "INSERT INTO customer_notes (id_contato, note, made_by) VALUES (%s, 'Maria viaja', 'vera')",
            (MARIA,),
        )
        conn.execute(
            "INSERT INTO handled_cases (id_contato, until, note, made_by)"
            " VALUES (%s, '2030-01-01', 'Maria volta amanhã', 'vera')",
            (MARIA,),
        )
        normalize_contacts(conn, default_area_code=None, log=LOG)
        _run(conn, archive)
        assert conn.execute("SELECT count(*) FROM chat_files WHERE id_contato = %s", (MARIA,)).fetchone() == (
            1,
        )
        pages = local_dir / "erp_backup" / "1" / "contatos"
        pages.mkdir(parents=True)
        item = {"id": MARIA, "nome": "Maria Souza", "celular": MOBILE}
        (pages / "B-000000.json").write_text(json.dumps({"itens": [item, {"id": JOAO, "nome": "Joao"}]}))
        yield conn


def _erase(conn: Connection) -> privacy.Erasure:
    return privacy.erase_person(conn, settings.load_settings(), privacy.contact_finder(MARIA), log=LOG)


def _holds(conn: Connection, words: str) -> list[str]:
    """Name the tables with any row whose text holds `words`."""
    tables = [name.removeprefix("public.") for name in dumps.count_tables(conn)]
    return [
        table
        for table in tables
        if conn.execute(
            f"SELECT EXISTS (SELECT FROM {table} t WHERE t::text ILIKE %s)".encode(), (f"%{words}%",)
        ).fetchone()
        == (True,)
    ]


def test_an_export_holds_the_chat_and_is_audited(filled: Connection) -> None:
    held = privacy.export_person(filled, settings.load_settings(), privacy.contact_finder(MARIA))
    assert held["contatos"][0]["nome"] == "Maria Souza"
    assert len(held["chat_files"]) == 1
    assert len(held["chat_messages"]) == held["chat_files"][0]["message_count"]
    assert held["erp_backup"] == [{"id": MARIA, "nome": "Maria Souza", "celular": MOBILE}]
    assert [note["note"] for note in held["customer_notes"]] == ["Maria viaja"]
    assert [case["note"] for case in held["handled_cases"]] == ["Maria volta amanhã"]
    json.dumps(held)
    assert filled.execute("SELECT action FROM audit_log").fetchall() == [("privacy.export",)]


# What an erasure says that stays of a contact with an order, and why.
STAYS = {
    "the chat files in the archive": "they are the company's originals; delete them there "
    "(`privacy export` lists their paths)",
    "backups of the database": "until they are rotated out, or `privacy clean-backups` rewrites them; "
    "`restore` erases the person again",
    "the ERP": "erase the contact there too",
    "1 service order(s)": "tax and warranty records, under the bare id",
}


def test_nothing_in_the_database_names_an_erased_contact(filled: Connection) -> None:
    assert _holds(filled, "Maria")
    erasure = _erase(filled)
    assert erasure.removed["chat_files"] == 1
    assert erasure.removed["saved ERP pages"] == 1
    assert erasure.stays == STAYS
    for words in ("Maria", "99999-0001", "4199990001"):
        assert _holds(filled, words) == []
    # Joao is as he was.
    assert filled.execute("SELECT count(*) FROM chat_files").fetchone() == (2,)
    assert filled.execute("SELECT nome FROM contatos WHERE id = %s", (JOAO,)).fetchone() == (
        "Joao Andrade Lima",
    )
    detail = filled.execute("SELECT detail->>'chat_files', subject IS NOT NULL FROM audit_log").fetchall()
    assert detail == [("1", True)]


@pytest.fixture
def roles(filled: Connection) -> Iterator[Connection]:
    """A connection of the owner's, who may take on the roles of `grants`."""
    assert grants.apply(filled) == []
    yield filled
    filled.execute("RESET ROLE")
    for role in grants.ROLES:
        filled.execute(f"DROP OWNED BY {role}".encode())
        filled.execute(f"DROP ROLE {role}".encode())


def test_whoever_runs_the_pipeline_may_export_and_erase(roles: Connection) -> None:
    roles.execute(f"SET ROLE {grants.WRITER}".encode())
    assert privacy.export_person(roles, settings.load_settings(), privacy.contact_finder(MARIA))["contatos"]
    assert _erase(roles).removed["link_overrides"] == 1
    assert _erase(roles).removed["chat_files"] == 0  # again, and of overrides that are erased already
    roles.execute("RESET ROLE")
    for words in ("Maria", "99999-0001", "4199990001"):
        assert _holds(roles, words) == []


def test_who_only_reads_is_told_which_role_may_erase(roles: Connection) -> None:
    roles.execute(f"SET ROLE {grants.ANALYST}".encode())
    with pytest.raises(PipelineError, match=r"may not erase a person .*whatsapp_writer") as refused:
        _erase(roles)
    assert "\n" not in str(refused.value)
    with pytest.raises(PipelineError, match=r"may not export a person .*whatsapp_writer"):
        privacy.export_person(roles, settings.load_settings(), privacy.contact_finder(MARIA))
    roles.execute("RESET ROLE")
    assert _holds(roles, "Maria")


@pytest.mark.parametrize(
    "change",
    [
        "target_kind = 'title', target = 'erased:' || id, reason = 'erased'",  # and still in force
        "target_kind = 'title', target = 'somebody', reason = 'erased', removed_at = now(),"
        " removed_by = 'me', removed_reason = 'erased'",
        "target_kind = 'title', target = 'erased:' || id, reason = 'erased', removed_at = now(),"
        " removed_by = 'me', removed_reason = 'erased', made_by = 'me'",
    ],
)
def test_no_other_change_of_a_decision_passes_as_an_erasure(filled: Connection, change: str) -> None:
    with pytest.raises(psycopg.errors.RaiseException, match="never rewritten"):
        filled.execute(f"UPDATE link_overrides SET {change}".encode())


def test_what_still_lies_in_the_spool_is_erased(filled: Connection) -> None:
    message = {"from": "5541999990001", "id": "wamid.S", "type": "text", "text": {"body": "oi da Maria"}}
    value = {"metadata": {"phone_number_id": "1"}, "messages": [message]}
    body = json.dumps({"entry": [{"changes": [{"field": "messages", "value": value}]}]}).encode()
    # Where the receiver writes by default: the erasure must look in the same place.
    directory = config_from(settings.load_settings(), insecure=True).spool_dir

    async def receive() -> None:
        writer = SpoolWriter(directory)
        await writer.append(body)
        writer.close()

    asyncio.run(receive())
    Quarantine(quarantine_directory(directory)).keep(body)
    erasure = _erase(filled)
    assert erasure.removed["webhook deliveries"] == 1
    left = [path.read_bytes() for path in directory.rglob("*") if path.is_file()]
    left += [bytes(row[0]) for row in filled.execute("SELECT body FROM webhook_inbox")]
    assert left
    assert not any(b"Maria" in data for data in left)


def test_decisions_on_a_title_and_findings_of_a_combined_file_go_too(filled: Connection) -> None:
    path = "2025/01/all.txt"
    filled.execute(
        "INSERT INTO chat_files (filename, file_path, chat_number, month, title, id_contato) VALUES"
        " ('all.txt', %(path)s, 1, '2025-01', 'Maria S', %(maria)s),"
        " ('all.txt', %(path)s, 2, '2025-01', 'Joao A', %(joao)s)",
        {"path": path, "maria": MARIA, "joao": JOAO},
    )
    filled.execute(
        "INSERT INTO exceptions (stage, file_path, chat_number, month, kind, severity, detail)"
        " SELECT 'chat_messages', %s, n, '2025-01', 'cut_off', 'info', '' FROM generate_series(1, 2) n",
        (path,),
    )
    filled.execute("SELECT override_link('title', 'maria s', 'no_contact', NULL, 'a supplier')")
    filled.execute("SELECT override_link('title', 'joao a', 'no_contact', NULL, 'a supplier')")
    _erase(filled)
    assert _holds(filled, "maria") == []
    found = filled.execute("SELECT chat_number FROM exceptions WHERE file_path = %s", (path,)).fetchall()
    assert found == [(2,)]
    assert _holds(filled, "joao a") == ["chat_files", "contatos", "link_overrides"]


def test_a_decision_on_a_title_stays_while_another_contacts_chat_has_it(filled: Connection) -> None:
    filled.execute(
        "INSERT INTO chat_files (filename, file_path, month, title, id_contato) VALUES"
        " ('a.txt', 'a.txt', '2025-01', 'Balcao', %(maria)s),"
        " ('b.txt', 'b.txt', '2025-01', 'BALCAO', %(joao)s),"
        " ('c.txt', 'c.txt', '2025-01', 'Maria S', %(maria)s)",
        {"maria": MARIA, "joao": JOAO},
    )
    for title in ("balcao", "maria s"):
        filled.execute("SELECT override_link('title', %s, 'no_contact', NULL, 'a supplier')", (title,))
    _erase(filled)
    kept = filled.execute("SELECT target FROM link_overrides WHERE removed_at IS NULL").fetchall()
    assert kept == [("balcao",)]


def test_saved_pages_keep_the_id_alone(filled: Connection, local_dir: Path) -> None:
    _erase(filled)
    page = json.loads(next(local_dir.rglob("B-000000.json")).read_text())
    assert page["itens"] == [{"id": MARIA}, {"id": JOAO, "nome": "Joao"}]


def test_the_next_run_brings_nothing_back(filled: Connection, archive: ChatArchive) -> None:
    _erase(filled)
    ContactLoader(filled, datetime(2026, 1, 1)).load(
        [{"id": MARIA, "nome": "Maria Souza", "celular": MOBILE}, {"id": JOAO, "nome": "J"}]
    )
    normalize_contacts(filled, default_area_code=None, log=LOG)
    report = index_month(filled, archive, MONTH, IndexOptions(workers=1, verify_hashes=True), log=LOG)
    assert report.suppressed == 1
    _run(filled, archive)
    assert _holds(filled, "Maria") == []
    assert _holds(filled, "99999-0001") == []
    assert filled.execute("SELECT nome FROM contatos WHERE id = %s", (JOAO,)).fetchone() == ("J",)


def test_a_new_export_of_the_same_phone_stays_out_too(
    filled: Connection, archive: ChatArchive, tmp_path: Path
) -> None:
    _erase(filled)
    folder = tmp_path / "archive" / "2025" / "01"
    old = next(folder.glob(f"*{MOBILE}.txt"))
    (folder / "WhatsApp - 2025-01-20 10 00 00 - (41) 9999-0001.txt").write_bytes(old.read_bytes() + b"\n")
    assert index_month(filled, archive, MONTH, IndexOptions(workers=1), log=LOG).suppressed == 2
    assert filled.execute("SELECT count(*) FROM chat_files").fetchone() == (2,)


def test_webhooks_of_an_erased_number_are_not_stored(filled: Connection) -> None:
    _erase(filled)
    message = {
        "from": "5541999990001",
        "id": "wamid.X",
        "timestamp": "1736000000",
        "type": "text",
        "text": {"body": "oi"},
    }
    other = {**message, "from": "5541999990009", "id": "wamid.Y"}
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"phone_number_id": "1"},
        "contacts": [{"wa_id": "5541999990001", "profile": {"name": "Maria S"}}],
        "messages": [message, other],
    }
    body = json.dumps({"entry": [{"changes": [{"field": "messages", "value": value}]}]}).encode()
    filled.execute(
        "INSERT INTO webhook_inbox (delivery_id, received_at, body) VALUES (%s, %s, %s)",
        (uuid4(), datetime.now(UTC), body),
    )
    process_due(filled, ProcessOptions(), log=LOG)
    assert filled.execute("SELECT provider_id FROM conversation_messages").fetchall() == [("wamid.Y",)]
    kept = filled.execute("SELECT body FROM webhook_inbox").fetchone()
    assert kept is not None
    assert b"5541999990001" not in bytes(kept[0])
    assert b"wamid.Y" in bytes(kept[0])


def test_a_restored_backup_is_erased_again(
    filled: Connection, fresh_database_url: str, empty_database_url: str, tmp_path: Path
) -> None:
    options = backup.BackupOptions(tmp_path / "backups")
    taken = backup.take(fresh_database_url, options, reason="by hand", log=LOG)
    _erase(filled)
    backup.restore(empty_database_url, taken, options, overwrite=False, log=LOG)
    with connect(empty_database_url) as restored:
        assert _holds(restored, "Maria")
        assert privacy.reapply_erasures(empty_database_url, settings.load_settings(), log=LOG) == 1
        assert _holds(restored, "Maria") == []
        assert _holds(restored, "99999-0001") == []
        assert restored.execute("SELECT count(*) FROM chat_files").fetchone() == (2,)


def _migrate(url: str) -> Result:
    """Run `migrate` as a person does, on a database of their own."""
    return CliRunner(env={"DATABASE_URL": url}).invoke(cli, ["migrate"])


def test_files_are_erased_with_a_restored_database_and_not_with_a_scratch_one(
    filled: Connection, fresh_database_url: str, local_dir: Path
) -> None:
    _erase(filled)
    page = next(local_dir.rglob("B-000000.json"))
    page.write_text(json.dumps({"itens": [{"id": MARIA, "nome": "Maria Souza"}]}))
    # An erasure that this host has not confirmed, as a backup of another day may hold it.
    filled.execute("INSERT INTO privacy_erasures (subject, queued_on) VALUES (NULL, 'another')")
    queued = filled.execute("SELECT count(*) FROM privacy_erasures").fetchone()
    assert queued is not None

    def reapply(*, with_files: bool) -> tuple[object, object]:
        """Return the saved page, and how many erasures wait for other hosts."""
        privacy.reapply_erasures(fresh_database_url, settings.load_settings(), log=LOG, with_files=with_files)
        row = filled.execute("SELECT count(*) - %s FROM privacy_erasures", queued).fetchone()
        return json.loads(page.read_text())["itens"], row

    assert reapply(with_files=False) == ([{"id": MARIA, "nome": "Maria Souza"}], (0,))
    assert reapply(with_files=True) == ([{"id": MARIA}], (1,))


def test_a_new_database_beside_the_list_knows_erased_people(
    filled: Connection, archive: ChatArchive, empty_database_url: str
) -> None:
    _erase(filled)
    migrated = _migrate(empty_database_url)
    assert migrated.exit_code == 0, migrated.exception
    with connect(empty_database_url) as new:
        ContactLoader(new, datetime(2026, 1, 1)).load([{"id": MARIA, "nome": "Maria", "celular": MOBILE}])
        normalize_contacts(new, default_area_code=None, log=LOG)
        assert index_month(new, archive, MONTH, IndexOptions(workers=1), log=LOG).suppressed == 1
        for words in ("Maria", "99999-0001", "4199990001"):
            assert _holds(new, words) == []


def test_dagster_erases_again_from_a_database_that_was_brought_back_by_other_means(
    filled: Connection, fresh_database_url: str, empty_database_url: str, tmp_path: Path, local_dir: Path
) -> None:
    options = backup.BackupOptions(tmp_path / "backups")
    taken = backup.take(fresh_database_url, options, reason="by hand", log=LOG)
    _erase(filled)
    backup.restore(empty_database_url, taken, options, overwrite=False, log=LOG)  # as pg_restore does
    with Database(url=empty_database_url).connect() as restored:
        assert _holds(restored, "Maria") == []
    # The list of a database that outlived its `.local` is written there again.
    (local_dir / privacy.LIST_FILE).unlink()
    privacy.recall_erasures(fresh_database_url, settings.load_settings(), log=LOG)
    assert (local_dir / privacy.LIST_FILE).stat().st_mode & 0o777 == 0o600
    assert len((local_dir / privacy.LIST_FILE).read_text().splitlines()) > 1


def test_a_new_database_is_refused_while_the_key_of_the_list_is_missing(
    filled: Connection, local_dir: Path, empty_database_url: str
) -> None:
    _erase(filled)
    key = local_dir / privacy_key.KEY_FILE
    right = key.read_text()
    for wrong, words in ((None, "is missing"), ("another key of some length", "is another one")):
        key.unlink() if wrong is None else key.write_text(wrong)
        assert words in str(_migrate(empty_database_url).exception)
        with pytest.raises(PipelineError, match=words):
            Database(url=empty_database_url).resolved_url()
    key.write_text(right)
    assert _migrate(empty_database_url).exit_code == 0
    (local_dir / privacy.LIST_FILE).write_text("phone 12 34")
    assert "is damaged" in str(_migrate(empty_database_url).exception)


def test_a_backup_comes_back_into_the_pipelines_own_new_database_without_the_erased(
    filled: Connection, fresh_database_url: str, empty_database_url: str, local_dir: Path
) -> None:
    options = backup_options(settings.load_settings())
    taken = backup.take(fresh_database_url, options, reason="by hand", log=LOG)
    _erase(filled)
    runner = CliRunner(env={"DATABASE_URL": empty_database_url})  # as after `make purge`, or on a new server
    restored, again = runner.invoke(cli, ["restore"]), runner.invoke(cli, ["restore"])
    assert restored.exit_code == 0, restored.exception
    assert f"{taken.file}: " in restored.output
    assert "is not empty, nothing was changed" in str(again.exception)
    with connect(empty_database_url) as conn:
        for words in ("Maria", "99999-0001", "4199990001"):
            assert _holds(conn, words) == []
        assert conn.execute("SELECT count(*) FROM chat_files").fetchone() == (2,)


def test_a_phone_of_two_contacts_is_not_taken_from_the_other(
    filled: Connection, archive: ChatArchive
) -> None:
    filled.execute("UPDATE contatos SET celular = %s WHERE id = %s", (MOBILE, JOAO))
    normalize_contacts(filled, default_area_code=None, log=LOG)
    finder = privacy.contact_finder(MARIA)
    erasure = privacy.erase_person(filled, settings.load_settings(), finder, keep_contact_row=True, log=LOG)
    assert erasure.stays == STAYS | {
        "1 phone(s)": "another contact has the same number",
        "the row in contatos": "kept, as requested",
    }
    assert suppression.suppressed_phone_keys(filled, ["4199990001"]) == set()


def test_without_the_key_nothing_is_written(
    filled: Connection, archive: ChatArchive, local_dir: Path
) -> None:
    _erase(filled)
    (local_dir / privacy_key.KEY_FILE).unlink()
    with pytest.raises(PipelineError, match="key to recognise them is missing"):
        index_month(filled, archive, MONTH, IndexOptions(workers=1, verify_hashes=True), log=LOG)
    (local_dir / privacy_key.KEY_FILE).write_text("another key of some length")
    with pytest.raises(PipelineError, match="not the key"):
        suppression.suppressed_phone_keys(filled, ["4199990001"])


def test_an_unknown_contact_is_named(filled: Connection) -> None:
    with pytest.raises(PipelineError, match="no contact 7"):
        privacy.export_person(filled, settings.load_settings(), privacy.contact_finder(7))
