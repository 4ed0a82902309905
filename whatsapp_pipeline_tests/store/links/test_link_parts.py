"""The parts that a month's links depend on: which of them a change concerns, and which not.

The rows are written once. Each case makes its change, asks, and takes the change back.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest

from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.links import fingerprints, link_parts
from whatsapp_pipeline_tests.steps.links.linking_rows import Session, add_chat, add_contact, add_order

MONTH = "2025-01"
STAGES: tuple[fingerprints.Stage, ...] = ("contact_links", "order_links")
NOBODYS = 9  # a contact that no chat of the month may be about
LONG_AGO = date(1999, 1, 1)


@pytest.fixture(scope="module")
def written(database_url: str) -> Iterator[Connection]:
    """Chats of January: each with another way to its contact and orders."""
    with connect(database_url) as conn:
        for number in (1, 2, 3, 4, 5, 6, 7, 8, NOBODYS):
            add_contact(conn, number, f"Cliente {number}")
        for number, key in ((1, "4199990001"), (2, "4199990003"), (3, "4199990003"), (8, "4199990005")):
            conn.execute(
                "INSERT INTO contact_phones (id_contato, field, position, key, kind)"
                " VALUES (%s, 'celular', 1, %s, 'mobile')",
                (number, key),
            )
        # The number 1 is certain, by its phone; its chat names an order.
        sure = add_chat(conn, "+55 41 99999-0001", sessions=(Session(order_numbers=["30001"]),))
        add_chat(conn, "Cabeçalho", headers=(("+55 41 99999-0003", "4199990003"),))  # 2 and 3 share its phone
        proposed = add_chat(conn, "Ana Lima")
        named = add_chat(conn, "OS 30007 Bia Lima")
        torn = add_chat(conn, "Carla Souza")
        hidden = add_chat(conn, "+55 41 99999-0005", sessions=(Session(order_numbers=["30009"]),))
        february = add_chat(conn, "+55 41 99999-0006", month="2025-02", path="2025/02/a.txt")
        conn.execute("UPDATE chat_files SET processing_status = 'vanished' WHERE id = %s", (hidden,))
        for chat, key in ((hidden, "4199990015"), (february, "4199990016")):
            conn.execute(
                "INSERT INTO chat_phones (id_chat_file, raw, key, kind, occurrences)"
                " VALUES (%s, 'x', %s, 'mobile', 5)",
                (chat, key),
            )
        links = ((sure, 1, "linked"), (named, 5, "linked"), (torn, 6, "linked"), (february, 8, "linked"))
        for chat, contact, status in links:
            conn.execute(
                "UPDATE chat_files SET id_contato = %s, match_status = %s WHERE id = %s",
                (contact, status, chat),
            )
        conn.execute("UPDATE chat_files SET match_status = 'proposed' WHERE id = %s", (proposed,))
        for chat, contact, rank in (
            (sure, 1, 1),
            (proposed, 4, 1),
            (named, 5, 1),
            (torn, 6, 1),
            (torn, 7, 2),
        ):
            conn.execute(
                "INSERT INTO match_candidates (id_chat_file, id_contato, rank, confidence, method, evidence)"
                " VALUES (%s, %s, %s, 0.6, 'name', '[]')",
                (chat, contact, rank),
            )
        conn.execute("UPDATE chat_files SET last_message_at = '2025-01-20' WHERE id = %s", (sure,))
        add_order(conn, 900, 1, opened=date(2025, 1, 12))
        add_order(conn, 901, NOBODYS, opened=date(2025, 1, 12), number="45")
        yield conn


def _parts(conn: Connection) -> dict[str, str]:
    """Return every part of both stages, and the fingerprints of both stages' inputs."""
    found = {
        "contacts": link_parts.contacts_part(conn, MONTH, link_parts.names_part(conn)),
        "orders": link_parts.orders_part(conn, MONTH),
    }
    for stage in STAGES:
        short = stage[0]
        for name, value in link_parts.month_parts(conn, stage, MONTH).items():
            found[f"{name}/{short}"] = value
        found[f"stamp/{short}"] = fingerprints.input_fingerprint(conn, stage, MONTH).hex()
    return found


def _changed(conn: Connection, statement: str) -> set[str]:
    """Return the parts that a statement changes; `chats` are changed together with the fingerprint."""
    with conn.transaction(force_rollback=True):
        before = _parts(conn)
        conn.execute(statement.encode())
        after = _parts(conn)
    changed = {name for name in before if before[name] != after[name]}
    for short in ("c", "o"):
        assert (f"chats/{short}" in changed) == (f"stamp/{short}" in changed)
    return changed - {"stamp/c", "stamp/o"}


def _order(
    contact: int | None, opened: str, closed: str | None = None, *, number: str = "", id_: int = 77
) -> str:
    end = f"'{closed}'" if closed else "NULL"
    return (
        "INSERT INTO ordens_servico (id, id_contato, numero_ordem_servico, data_emissao, data_conclusao)"
        f" VALUES ({id_}, {contact}, '{number or 46}', '{opened}', {end})"
    )


@pytest.mark.parametrize(
    ("statement", "counts"),
    [
        # The chats of January are of the 10th to the 20th. Orders count up to 200 days around them.
        (_order(1, "2025-08-08"), True),
        (_order(1, "2025-08-09"), False),
        (_order(1, "2024-06-24"), True),
        (_order(1, "2024-06-23"), False),
        (_order(1, "2020-01-01", "2024-06-24"), True),
        (_order(1, "2020-01-01", "2024-06-23"), False),
        (_order(5, "1999-01-01"), False),  # linked by its name, with no other candidate
        (_order(5, "2025-01-15"), True),
        # A device decides between candidates, however old its order is.
        (_order(2, "1999-01-01"), True),
        (_order(3, "1999-01-01"), True),
        (_order(4, "1999-01-01"), True),
        (_order(6, "1999-01-01"), True),
        (_order(7, "1999-01-01"), True),
        # The contacts of other months and of deleted files, and of no chat.
        (_order(8, "2025-01-15"), False),
        (_order(NOBODYS, "2025-01-15"), False),
        # Orders that a message or a title names, by number or id.
        (_order(NOBODYS, "1999-01-01", number="30001"), True),
        (_order(NOBODYS, "1999-01-01", number="0030001"), True),
        (_order(NOBODYS, "1999-01-01", id_=30001), True),
        (_order(NOBODYS, "1999-01-01", number="30007"), True),
        (_order(NOBODYS, "1999-01-01", id_=30007), True),
        (_order(NOBODYS, "1999-01-01", number="30009"), False),  # its file was deleted
        (_order(NOBODYS, "1999-01-01", number="45"), False),
        ("UPDATE ordens_servico SET equipamento = 'TV' WHERE id = 900", True),
        ("UPDATE ordens_servico SET data_emissao = '2025-01-13' WHERE id = 900", True),
        ("UPDATE ordens_servico SET data_conclusao = '2025-01-13' WHERE id = 900", True),
        ("UPDATE ordens_servico SET numero_ordem_servico = '47' WHERE id = 900", True),
        ("UPDATE ordens_servico SET total_pecas = 5 WHERE id = 900", False),
        ("UPDATE ordens_servico SET equipamento = 'TV' WHERE id = 901", False),
        ("DELETE FROM ordens_servico WHERE id = 900", True),
    ],
)
def test_an_order_counts_where_it_may_decide(written: Connection, statement: str, counts: bool) -> None:
    assert ("orders" in _changed(written, statement)) is counts


def _phone(contact: int, key: str, kind: str = "mobile") -> str:
    return (
        "INSERT INTO contact_phones (id_contato, field, position, key, kind)"
        f" VALUES ({contact}, 'telefone', 2, '{key}', '{kind}')"
    )


@pytest.mark.parametrize(
    ("statement", "changed"),
    [
        (
            _phone(NOBODYS, "1199990001"),
            {"contacts", "orders"},
        ),  # any area: its last eight digits are a chat's
        (_phone(NOBODYS, "xx99990003", "unknown_area"), {"contacts", "orders"}),  # a header's
        (_phone(NOBODYS, "4199990005"), set()),  # that of a deleted file
        (_phone(NOBODYS, "4199990006"), set()),  # another month's
        (_phone(NOBODYS, "4199990015"), set()),
        (_phone(NOBODYS, "4199990016"), set()),
        ("UPDATE contact_phones SET kind = 'fixed' WHERE id_contato = 1", {"contacts"}),
        ("UPDATE contact_phones SET field = 'telefone' WHERE id_contato = 1", {"contacts"}),
        ("UPDATE contact_phones SET had_ninth_digit = true WHERE id_contato = 2", {"contacts"}),
        # The names of all contacts count, because titles of the month have names.
        (f"UPDATE contatos SET nome = 'Rui' WHERE id = {NOBODYS}", {"contacts"}),
        (f"UPDATE contatos SET fantasia = 'Loja' WHERE id = {NOBODYS}", {"contacts"}),
        (f"UPDATE contatos SET email = 'a@example.org' WHERE id = {NOBODYS}", set()),
        ("UPDATE chat_files SET customer_name = NULL WHERE month = '2025-02'", set()),
    ],
)
def test_a_contact_counts_where_it_may_be_meant(
    written: Connection, statement: str, changed: set[str]
) -> None:
    assert _changed(written, statement) == changed


def test_without_a_name_in_a_title_only_the_contacts_of_phones_and_numbers_count(written: Connection) -> None:
    with written.transaction(force_rollback=True):
        written.execute("UPDATE chat_files SET customer_name = NULL WHERE month = '2025-01' AND title <> 'x'")
        assert not link_parts.asks_for_names(written, MONTH)
        assert _changed(written, f"UPDATE contatos SET nome = 'Rui' WHERE id = {NOBODYS}") == set()
        assert _changed(written, "UPDATE contatos SET nome = 'Rui' WHERE id = 1") == set()
        assert _changed(written, "INSERT INTO contatos (id, nome) VALUES (70, 'Novo')") == set()
        # It exists, and an order that a chat names is its.
        named = _order(NOBODYS, "1999-01-01", number="30007")
        assert _changed(written, named) == {"contacts", "orders"}
        assert _changed(written, _order(99, "1999-01-01", number="30007")) == {"orders"}
        for statement in ("is_group = true", "processing_status = 'vanished'", "month = '2025-03'"):
            with written.transaction(force_rollback=True):
                written.execute("UPDATE chat_files SET customer_name = 'Ana' WHERE title = 'Ana Lima'")
                assert link_parts.asks_for_names(written, MONTH)
                written.execute(f"UPDATE chat_files SET {statement} WHERE title = 'Ana Lima'".encode())
                assert not link_parts.asks_for_names(written, MONTH)


MODEL = (
    "INSERT INTO link_models (kind, version, seed, contacts, overrides, model)"
    " VALUES ('{}', '1', 0, 1, 0, '{}')"
)
ON_SURE = "WHERE title = '+55 41 99999-0001'"
OF_SURE = f"(SELECT id FROM chat_files {ON_SURE})"


@pytest.mark.parametrize(
    ("statement", "changed"),
    [
        # Decisions of people: on a file, a title, a phone of a title and one of a header.
        (
            "SELECT override_link('title', 'ana  LIMA', 'contact', 4, 'por quê')",
            {"decisions/c", "decisions/o"},
        ),
        (
            "SELECT override_link('phone', '4199990001', 'no_contact', NULL, 'por quê')",
            {"decisions/c", "decisions/o"},
        ),
        (
            "SELECT override_link('phone', '4199990003', 'contact', 2, 'por quê')",
            {"decisions/c", "decisions/o"},
        ),
        ("SELECT override_link('phone', '4199990005', 'contact', 2, 'por quê')", set()),
        ("SELECT override_link('title', 'Outro', 'contact', 4, 'por quê')", set()),
        # What deciding reads of chats, sessions and headers.
        (f"UPDATE chat_files SET title = 'Rui' {ON_SURE}", {"chats/c", "chats/o"}),
        (f"UPDATE chat_files SET phone_number = 'x' {ON_SURE}", {"chats/c"}),
        (f"UPDATE chat_files SET devices = '{{tv}}' {ON_SURE}", {"chats/c", "chats/o"}),
        (f"UPDATE chat_files SET last_message_at = '2025-01-21' {ON_SURE}", {"chats/c"}),
        (f"UPDATE chat_files SET first_message_at = '2025-01-11' {ON_SURE}", {"chats/c"}),
        (f"UPDATE chat_files SET message_count = 5 {ON_SURE}", set()),
        (
            f"UPDATE chat_sessions SET devices = '{{tv}}' WHERE id_chat_file = {OF_SURE}",
            {"chats/c", "chats/o"},
        ),
        (f"UPDATE chat_sessions SET stages = '{{opening}}' WHERE id_chat_file = {OF_SURE}", {"chats/o"}),
        (f"UPDATE chat_sessions SET ended_at = '2025-01-12' WHERE id_chat_file = {OF_SURE}", {"chats/o"}),
        (f"UPDATE chat_sessions SET message_count = 9 WHERE id_chat_file = {OF_SURE}", set()),
        ("UPDATE chat_phones SET occurrences = 9", {"chats/c"}),
        ("UPDATE chat_phones SET kind = 'service'", {"chats/c"}),
        ("DELETE FROM chat_phones", {"chats/c", "contacts"}),
        # Links of the month, as anybody may have written them.
        (f"UPDATE chat_files SET match_confidence = 0.123 {ON_SURE}", {"links/c"}),
        (f"UPDATE chat_files SET match_method = 'name' {ON_SURE}", {"links/c"}),
        (f"UPDATE chat_files SET match_flags = '{{x}}' {ON_SURE}", {"links/c"}),
        (f"UPDATE chat_files SET id_ordem_servico = 900 {ON_SURE}", {"links/o"}),
        (f"UPDATE chat_files SET order_match_method = 'x' {ON_SURE}", {"links/o"}),
        (
            f"UPDATE chat_sessions SET order_match_confidence = 0.1 WHERE id_chat_file = {OF_SURE}",
            {"links/o"},
        ),
        (f"UPDATE chat_sessions SET order_flags = '{{x}}' WHERE id_chat_file = {OF_SURE}", {"links/o"}),
        (f"UPDATE chat_sessions SET order_match_method = 'x' WHERE id_chat_file = {OF_SURE}", {"links/o"}),
        (
            "UPDATE chat_files SET match_confidence = 0.123, order_match_method = 'x', title = 'Rui'"
            " WHERE month = '2025-02' OR processing_status = 'vanished'",
            set(),
        ),
        (
            "UPDATE chat_sessions SET order_match_confidence = 0.1, devices = '{tv}' WHERE id_chat_file IN"
            " (SELECT id FROM chat_files WHERE processing_status = 'vanished')",
            set(),
        ),
        # Models.
        (MODEL.format("names", "{}"), {"model/c"}),
        (MODEL.format("orders", "{}"), {"model/o"}),
        (MODEL.format("phones", '{"a": 1}'), {"phone_weights/c"}),
        (MODEL.format("phones", "{}"), set()),  # no verdict: the weights are those of before
    ],
)
def test_a_change_concerns_its_part(written: Connection, statement: str, changed: set[str]) -> None:
    assert _changed(written, statement) == changed


OF_OTHERS = "(SELECT id FROM chat_files WHERE month = '2025-02' OR processing_status = 'vanished')"


@pytest.mark.parametrize(
    ("statement", "stages"),
    [
        (f"UPDATE chat_files SET match_confidence = 0.123 {ON_SURE}", "c"),
        (f"UPDATE chat_files SET match_flags = '{{x}}' {ON_SURE}", "c"),
        (f"UPDATE chat_files SET processing_status = 'loaded' {ON_SURE}", "c"),  # it no longer waits
        (f"UPDATE match_candidates SET rank = rank WHERE id_chat_file = {OF_SURE}", "c"),
        (f"DELETE FROM match_candidates WHERE id_chat_file = {OF_SURE}", "c"),
        (f"UPDATE chat_files SET order_match_method = 'x' {ON_SURE}", "o"),
        (f"UPDATE chat_files SET id_ordem_servico = 900 {ON_SURE}", "o"),
        (f"UPDATE chat_sessions SET order_match_status = 'linked' WHERE id_chat_file = {OF_SURE}", "o"),
        (f"UPDATE chat_sessions SET order_match_confidence = 0.1 WHERE id_chat_file = {OF_SURE}", "o"),
        (
            f"INSERT INTO order_candidates SELECT id, 1, 900, 0.9, 'm', '[]' FROM chat_sessions"
            f" WHERE id_chat_file = {OF_SURE}",
            "o",
        ),
        (MODEL.format("names", "{}"), "c"),
        (MODEL.format("phones", "{}"), "c"),
        (MODEL.format("orders", "{}"), "o"),
        # Other months and deleted files.
        (
            "UPDATE chat_files SET match_confidence = 0.123, order_match_method = 'x' WHERE id IN"
            f" {OF_OTHERS}",
            "",
        ),
        (f"UPDATE chat_sessions SET order_match_confidence = 0.1 WHERE id_chat_file IN {OF_OTHERS}", ""),
        (f"INSERT INTO match_candidates SELECT id, 1, 1, 0.9, 'm', '[]' FROM {OF_OTHERS} o", ""),
        (
            "INSERT INTO order_candidates SELECT id, 1, 900, 0.9, 'm', '[]' FROM chat_sessions"
            f" WHERE id_chat_file IN {OF_OTHERS}",
            "",
        ),
        (f"UPDATE chat_files SET title = 'Rui', message_count = 7 {ON_SURE}", ""),
    ],
)
def test_links_are_current_until_something_that_was_written_changes(
    written: Connection, statement: str, stages: str
) -> None:
    with written.transaction(force_rollback=True):
        for stage in STAGES:
            assert not fingerprints.is_current(written, stage, MONTH, b"x")
            fingerprints.store_fingerprint(written, stage, MONTH, b"y")
            fingerprints.store_fingerprint(written, stage, MONTH, b"x")
            assert fingerprints.is_current(written, stage, MONTH, b"x")
            assert not fingerprints.is_current(written, stage, MONTH, b"y")
            assert not fingerprints.is_current(written, stage, "2025-02", b"x")
        written.execute(statement.encode())
        changed = [stage[0] for stage in STAGES if not fingerprints.is_current(written, stage, MONTH, b"x")]
        assert "".join(changed) == stages


def test_a_month_without_phones_has_no_phone_weights(written: Connection) -> None:
    with written.transaction(force_rollback=True):
        assert link_parts.has_phones(written, MONTH)
        written.execute("DELETE FROM chat_phones")
        assert link_parts.has_phones(written, MONTH)  # one title has a phone
        written.execute(f"UPDATE chat_files SET is_group = true {ON_SURE}".encode())
        assert not link_parts.has_phones(written, MONTH)  # that of the deleted file does not count
        assert _changed(written, MODEL.format("phones", '{"a": 1}')) == set()
        assert link_parts.has_phones(written, "2025-02")


def test_the_newest_weights_are_in_force(written: Connection) -> None:
    with written.transaction(force_rollback=True):
        first, second = MODEL.format("phones", '{"a": 1}'), MODEL.format("phones", '{"a": 2}')
        written.execute(first.encode())
        assert _changed(written, first) == set()
        assert _changed(written, second) == {"phone_weights/c"}


def test_a_written_row_changes_the_version_of_the_orders(written: Connection) -> None:
    with written.transaction(force_rollback=True):
        before = link_parts.orders_version(written)
        assert link_parts.orders_version(written) == before
        written.execute("UPDATE ordens_servico SET situacao = situacao WHERE id = 901")
        assert link_parts.orders_version(written) != before


def test_parts_are_kept_with_the_fingerprint_of_their_month(written: Connection) -> None:
    with written.transaction(force_rollback=True):
        fingerprints.store_fingerprint(written, "contact_links", MONTH, b"x")
        fingerprints.store_fingerprint(written, "order_links", MONTH, b"x")
        fingerprints.store_fingerprint(written, "order_links", "2025-02", b"x")
        assert link_parts.stored_parts(written, [MONTH]) == {}  # linked by an older release
        link_parts.store_parts(written, "order_links", MONTH, {"chats": "1"})
        link_parts.store_parts(written, "order_links", "2025-02", {"chats": "2"})
        assert link_parts.stored_parts(written, [MONTH]) == {("order_links", MONTH): {"chats": "1"}}
        both = link_parts.stored_parts(written, [MONTH, "2025-02"])
        assert both[("order_links", "2025-02")] == {"chats": "2"}
