"""Links into the console: each is read where people find it, and followed on a running console."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import httpx
import pytest

from whatsapp_pipeline.assets.check_state import evaluation
from whatsapp_pipeline.automation.headless import run_chain
from whatsapp_pipeline.checks.qa import CheckScope, QaCheck, evaluate_without_storing
from whatsapp_pipeline.definitions import rule_book
from whatsapp_pipeline.resources.sources import Archive
from whatsapp_pipeline.steps.operations import qa_report
from whatsapp_pipeline.store.connection import connect
from whatsapp_pipeline_tests.checks.test_rules import PLANTS, RULES, plant
from whatsapp_pipeline_tests.console.people import PreparedPeople
from whatsapp_pipeline_tests.console.running import RunningConsole, running_console, text_of
from whatsapp_pipeline_tests.prepared import MONTHS, Prepared, definitions

# Columns of failing rows whose values have a page of their own.
LINKED = {"chat", "conversation", "id_contato", "id_ordem_servico", "message_id"}


@pytest.fixture(scope="module")
def filled(prepared_url: str) -> Iterator[RunningConsole]:
    """A console over the months that the chain has filled."""
    with running_console(prepared_url) as running:
        yield running


@pytest.fixture
def reviewer(filled: RunningConsole, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    """A reviewer of that console, to which the project's links lead."""
    monkeypatch.setenv("CONSOLE_URL", filled.url)
    with filled.client("reviewer") as client:
        client.follow_redirects = True
        yield client


def _follow(client: httpx.Client, address: str) -> None:
    """Open an address and see that it shows what it names."""
    answer = client.get(address)
    assert answer.status_code == 200, address
    page, path = text_of(answer.text), address.removeprefix(str(client.base_url).rstrip("/"))
    if found := re.fullmatch(r"/customers/(\d+)", path):
        assert f"Cliente nº {found[1]}" in page, address
    elif found := re.fullmatch(r"/chats/(chat:\d+|webhook:\d+)", path):
        assert f"Conversa {found[1]} " in page, address
    elif found := re.fullmatch(r"/messages/(\w+:\d+)", path):
        assert f'id="{found[1]}"' in answer.text, address
    elif found := re.fullmatch(r"/orders/-\?id=(\d+)", path):
        assert f'href="/print/orders/{found[1]}"' in answer.text, address
    else:
        assert path in {"", "/", "/review"}, address


def _addresses(markdown: str) -> list[str]:
    return re.findall(r"\]\((http[^)]+)\)", markdown)


@pytest.mark.parametrize("check", RULES, ids=lambda check: check.name)
def test_rows_of_a_failing_check_lead_to_their_pages(
    filled: RunningConsole, reviewer: httpx.Client, prepared: Prepared, check: QaCheck
) -> None:
    with connect(filled.database_url) as conn, conn.transaction(force_rollback=True):
        scope = CheckScope(conn, list(MONTHS), Archive(root=str(prepared.archive)))
        plant(conn, PLANTS[check.name])
        rows = check.find(scope).rows
        metadata = evaluation(evaluate_without_storing(check, scope), {None, *MONTHS}).metadata
    named = {column for row in rows for column, value in row.items() if value is not None} & LINKED
    links = str(metadata["open_in_console"].value) if "open_in_console" in metadata else ""
    assert set(re.findall(r"\[(\w+) \d+\]", links)) >= named
    for address in _addresses(links):
        assert address.startswith(filled.url)
        _follow(reviewer, address)


@pytest.mark.slow
def test_metadata_of_assets_and_checks_leads_into_the_console(
    filled: RunningConsole, reviewer: httpx.Client, prepared: Prepared
) -> None:
    with connect(filled.database_url) as conn:
        conn.execute("UPDATE customer_chat_summaries SET input_hash = 'written anew'")
    with dg.DagsterInstance.ephemeral() as instance:
        defs = definitions(filled.database_url, prepared.sample)
        outcome = run_chain(defs, instance, months=MONTHS[:1], with_erp=True)
        assert outcome.errors == []
        found = {
            key.to_user_string(): _console_links(event.asset_materialization.metadata)
            for key in instance.all_asset_keys()
            if (event := instance.get_latest_materialization_event(key)) and event.asset_materialization
        }
    expected = {
        "tiny_contacts",
        "chat_file_index",
        "contact_links",
        "order_links",
        "chat_messages",
        "customer_summaries",
    }
    assert {asset for asset, links in found.items() if links} >= expected
    for address in {address for links in found.values() for address in links}:
        assert address.startswith(filled.url)
        _follow(reviewer, address)


def _console_links(metadata: Mapping[str, dg.MetadataValue[Any]]) -> list[str]:
    values = metadata.values()
    urls = [str(value.url) for value in values if isinstance(value, dg.UrlMetadataValue)]
    texts = [str(value.md_str) for value in values if isinstance(value, dg.MarkdownMetadataValue)]
    return urls + [address for text in texts for address in _addresses(text)]


def test_the_qa_report_leads_into_the_console(
    filled: RunningConsole, reviewer: httpx.Client, prepared: Prepared
) -> None:
    rules = rule_book(with_erp=True).rules()
    with connect(filled.database_url) as conn, conn.transaction(force_rollback=True):
        # What a check stored of a chat that the page's own lists leave out.
        group = conn.execute("SELECT min(id) FROM chat_files WHERE match_status = 'group'").fetchone()
        assert group is not None
        conn.execute(
            "UPDATE qa_results SET failing = 1,"
            " sample = json_build_array(json_build_object('chat', %s::bigint))"
            " WHERE check_name = 'message_counts_agree' AND month = '2025-01'",
            group,
        )
        html = qa_report.make(conn, MONTHS, prepared.history, rules, made_at=datetime.now(UTC)).html
    rows = html.partition("<h3>message_counts_agree</h3>")[2].partition("<h3>")[0]
    assert f'href="{filled.url}/chats/chat:{group[0]}"' in rows or f'href="#chat-{group[0]}"' in rows
    targets = set(re.findall(r'href="([^"]+)"', html))
    for kind in ("/chats/chat:", "/customers/", "/orders/-?id="):
        assert any(target.startswith(filled.url + kind) for target in targets), kind
    for target in targets:
        if target.startswith("#"):
            assert f'id="{target[1:]}"' in html
        else:
            _follow(reviewer, target.replace("&amp;", "&"))


# What happened to Ana's chat → what its page says.
STATES = {
    "processing_status = 'vanished'": "não está mais na pasta",
    "processing_status = 'failed'": "não pôde ser lido",
    "processing_status = 'pending'": "ainda não lida",
    "match_status = 'unmatched', id_contato = NULL": "Conversa sem cliente identificado",
    "is_group = true, match_status = 'group', id_contato = NULL": "grupo",
    "match_status = 'linked'": "Conversa de Ana Conceição Souza",
}


@pytest.mark.parametrize("change", STATES)
def test_a_chat_has_a_page_in_every_state(
    console: RunningConsole, people: PreparedPeople, change: str
) -> None:
    with connect(console.database_url) as conn, console.client("reviewer") as client:
        chat = conn.execute(
            "SELECT id_chat_file FROM chat_messages WHERE id = %s", (people.first,)
        ).fetchone()
        assert chat is not None
        conn.execute(f"UPDATE chat_files SET {change} WHERE id = %s".encode(), chat)
        try:
            page = client.get(f"/chats/chat:{chat[0]}")
            review = client.get(f"/review/chat:{chat[0]}")
        finally:
            conn.execute(
                "UPDATE chat_files SET processing_status = 'loaded', match_status = 'linked', id_contato = 7,"
                " is_group = false WHERE id = %s",
                chat,
            )
    assert page.status_code == 200
    assert STATES[change] in text_of(page.text)
    # A page offers to review what can be reviewed.
    assert (f'href="/review/chat:{chat[0]}"' in page.text) == (review.status_code == 200)
    assert (review.status_code == 200) == ("vanished" not in change)


def test_a_chat_without_messages_and_a_copy_have_pages(
    console: RunningConsole, people: PreparedPeople
) -> None:
    with connect(console.database_url) as conn, console.client("analyst") as client:
        whole = conn.execute(
            "SELECT id_chat_file FROM chat_messages WHERE id = %s", (people.first,)
        ).fetchone()
        assert whole is not None
        empty = conn.execute(
            "INSERT INTO chat_files (filename, file_path, month, title, processing_status, duplicate_of)"
            " VALUES ('empty', 'empty', '2025-01', 'E', 'loaded', %s) RETURNING id",
            whole,
        ).fetchone()
        assert empty is not None
        try:
            copied = client.get(f"/chats/chat:{empty[0]}").text
            conn.execute("UPDATE chat_files SET duplicate_of = NULL WHERE id = %s", empty)
            alone = client.get(f"/chats/chat:{empty[0]}")
        finally:
            conn.execute("DELETE FROM chat_files WHERE id = %s", empty)
        assert f'Cópia de</dt><dd><a href="/chats/chat:{whole[0]}">' in copied
        assert alone.status_code == 200
        assert "Nenhuma mensagem" in text_of(alone.text)
        assert client.get(f"/chats/chat:{empty[0]}").status_code == 404
        assert client.get("/chats/webhook:999999").status_code == 404


def test_the_address_of_a_live_message_outlives_its_export(
    console: RunningConsole, people: PreparedPeople
) -> None:
    live = people.edited + 2  # "resposta da loja", at 9:03 of São Paulo
    with connect(console.database_url) as conn, console.client("analyst") as client:
        before = client.get(f"/messages/webhook:{live}").headers["location"]
        assert before.endswith(f"#webhook:{live}")
        with conn.transaction():
            conn.execute(
                "INSERT INTO conversation_identities (conversation_id, phone_number_id, value, canonical,"
                " kind, phone_key) SELECT id, 'shop', external_id, 'wa:4199990007', 'wa_id', '4199990007'"
                " FROM conversations"
            )
            conn.execute("UPDATE chat_files SET phone_key = '4199990007' WHERE filename = 'A'")
            exported = conn.execute(
                "INSERT INTO chat_messages (id_chat_file, ordinal, message_timestamp, direction, type,"
                " message_text, line, body_hash) SELECT a.id_chat_file, 900, w.local_time, 'to', 'text',"
                " w.text, 900, 900 FROM chat_messages a, conversation_messages w"
                " WHERE a.id = %s AND w.id = %s RETURNING id",
                (people.first, live),
            ).fetchone()
        assert exported is not None
        try:
            after = client.get(f"/messages/webhook:{live}").headers["location"]
            assert after == f"/customers/7?around=chat:{exported[0]}#chat:{exported[0]}"
            assert f'id="chat:{exported[0]}"' in client.get(f"/customers/7?around=webhook:{live}").text
        finally:
            conn.execute("DELETE FROM chat_messages WHERE id = %s", exported)
            conn.execute("DELETE FROM conversation_identities")
