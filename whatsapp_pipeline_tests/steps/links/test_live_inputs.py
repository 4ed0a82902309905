"""What the links of live conversations depend on: which conversations a change makes due, and which not.

The conversations are stored and linked once. Each case makes its change, asks, and takes the change back.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from string import Template
from typing import Any

import pytest

from whatsapp_pipeline.steps.links.link_rules import rules_hash
from whatsapp_pipeline.steps.links.live_links import link_live
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.links import live_links as store
from whatsapp_pipeline.store.links.contact_links import StagedChat
from whatsapp_pipeline_tests.webhook.deliveries import LOG, clear, delivery, rows, take, text

# Who writes: the number, and the name in the profile.
PEOPLE = {
    "ana": ("5541988880101", "Ana Souza"),  # contact 1 alone has the number
    "bia": ("5541988880102", "Bia Lima"),  # contacts 2 and 3 share the number
    "zoe": ("5541988880103", "Zoe Prado"),  # nobody has the number
    "oto": ("5541988880104", "Oto Reis"),  # contact 4 has the number without its area
    "eva": ("5541988880105", "Eva Maia"),  # a person chose contact 5 in the table, with no decision on record
    "group": ("5541988880101", "Ana Souza"),
}
ALL = {"ana", "bia", "zoe", "oto"}
RULES = "rules of orders"
NOT_ALONE = {"bia", "zoe"}  # a name decides only where the number does not


@pytest.fixture(scope="module")
def linked(database_url: str) -> Iterator[Connection]:
    with connect(database_url) as conn:
        for number, name in enumerate(
            ("Ana Souza", "Bia Lima", "Beto Lima", "Oto Reis", "Eva Maia", "Ivo"), 1
        ):
            conn.execute("INSERT INTO contatos (id, nome) VALUES (%s, %s)", (number, name))
        conn.execute(
            "INSERT INTO contact_phones (id_contato, field, position, key, kind) VALUES"
            " (1, 'celular', 1, '4188880101', 'mobile'), (2, 'celular', 1, '4188880102', 'mobile'),"
            " (3, 'celular', 1, '4188880102', 'mobile'), (4, 'celular', 1, 'xx88880104', 'unknown_area'),"
            " (5, 'celular', 1, '4188880105', 'mobile'), (6, 'celular', 1, '4188880166', 'mobile')"
        )
        conn.execute(
            "INSERT INTO ordens_servico (id, numero_ordem_servico, situacao, equipamento, data_emissao,"
            " id_contato) VALUES (901, '901', '6', 'Notebook Dell', '2026-02-27', 1),"
            " (902, '902', '6', 'TV LG', '2026-02-27', 2), (903, '903', '6', 'TV LG', '2026-02-27', 6)"
        )
        for number, (who, (sender, name)) in enumerate(PEOPLE.items()):
            more: dict[str, Any] = {"group_id": "g-1"} if who == "group" else {}
            said = text(f"w{number}", "e a OS 0903?" if who == "zoe" else "oi", sender=sender, **more)
            take(conn, delivery(said, contacts=[{"wa_id": sender, "profile": {"name": name}}]))
        conn.execute(
            "UPDATE conversations SET id_contato = 5, match_status = 'manual', match_method = NULL"
            " WHERE external_id = %s",
            (PEOPLE["eva"][0],),
        )
        link_live(conn, log=LOG)
        yield conn
        clear(conn)


def _who(conn: Connection) -> dict[int, str]:
    names = {number: who for who, (number, _) in PEOPLE.items() if who != "group"}
    found = rows(conn, "SELECT id, external_id FROM conversations")
    return {number: names.get(external, "group") for number, external in found}


def _due(conn: Connection, rules: str | None = None) -> set[str]:
    """Conversations whose contact is due; the same are when each is asked about alone."""
    who, text = _who(conn), rules or rules_hash()
    together = {row.id for row in store.due_contacts(conn, list(who), text)}
    assert {row.id for one in who for row in store.due_contacts(conn, [one], text)} == together
    return {who[number] for number in together}


def _due_orders(conn: Connection) -> set[str]:
    """Conversations whose sessions are due, by the rules that were in force before the change."""
    who = _who(conn)
    together = {number for number, _ in store.due_orders(conn, list(who), RULES)}
    assert {number for one in who for number, _ in store.due_orders(conn, [one], RULES)} == together
    return {who[number] for number in together}


CHANGES: list[tuple[str, str, set[str], set[str]]] = [
    ("nothing", "SELECT 1", set(), set()),
    # Phones.
    (
        "another owner",
        "INSERT INTO contact_phones VALUES (6, 'celular', 2, '4188880101', 'mobile')",
        {"ana"},
        set(),
    ),
    (
        "an owner in another area",
        "INSERT INTO contact_phones VALUES (6, 'celular', 2, '1188880101', 'mobile')",
        {"ana"},
        set(),
    ),
    (
        "an owner without area",
        "INSERT INTO contact_phones VALUES (6, 'celular', 2, 'xx88880103', 'unknown_area')",
        {"zoe"},
        set(),
    ),
    (
        "a phone nobody writes from",
        "INSERT INTO contact_phones VALUES (6, 'celular', 2, '4188880177', 'mobile')",
        set(),
        set(),
    ),
    (
        "the phone of a contact that is not there",
        "INSERT INTO contact_phones VALUES (99, 'celular', 1, '4188880101', 'mobile')",
        set(),
        set(),
    ),
    (
        "the kind of a phone",
        "UPDATE contact_phones SET kind = 'unknown_area' WHERE id_contato = 1",
        {"ana"},
        set(),
    ),
    (
        "the field of a phone",
        "UPDATE contact_phones SET field = 'telefone' WHERE id_contato = 1",
        {"ana"},
        set(),
    ),
    (
        "the ninth digit of a phone",
        "UPDATE contact_phones SET had_ninth_digit = false WHERE id_contato = 2",
        {"bia"},
        set(),
    ),
    ("a phone that goes", "DELETE FROM contact_phones WHERE id_contato = 4", {"oto"}, set()),
    # Names.
    ("a name", "UPDATE contatos SET nome = 'Ivo Nunes' WHERE id = 6", NOT_ALONE, set()),
    ("a trade name", "UPDATE contatos SET fantasia = 'Oficina' WHERE id = 6", NOT_ALONE, set()),
    ("an address", "UPDATE contatos SET email = 'a@example.org' WHERE id = 1", set(), set()),
    ("a new contact", "INSERT INTO contatos (id, nome) VALUES (7, 'Novo')", NOT_ALONE, set()),
    (
        "a profile's name",
        "UPDATE conversations SET profile_name = 'Aninha' WHERE profile_name = 'Ana Souza'",
        {"ana"},
        set(),
    ),
    # Models and rules.
    (
        "a model of names",
        "INSERT INTO link_models (kind, version, seed, contacts, overrides, model)"
        " VALUES ('names', '1', 0, 1, 0, '{}')",
        NOT_ALONE,
        set(),
    ),
    (
        "weights of phones",
        "INSERT INTO link_models (kind, version, seed, contacts, overrides, model)"
        " VALUES ('phones', '1', 0, 1, 0, '{}')",
        {"ana", "bia", "oto"},
        set(),
    ),
    (
        "a model of orders",
        "INSERT INTO link_models (kind, version, seed, contacts, overrides, model)"
        " VALUES ('orders', '1', 0, 1, 0, '{}')",
        set(),
        set(),
    ),
    # Decisions of people.
    (
        "a contact for a conversation",
        "SELECT override_link('conversation', 'acc-1/wa:554188880101', 'contact', 3, 'por quê')",
        {"ana"},
        set(),
    ),
    (
        "nobody for a conversation",
        "SELECT override_link('conversation', 'acc-1/wa:554188880102', 'no_contact', NULL, 'por quê')",
        {"bia"},
        set(),
    ),
    (
        "not this contact",
        "SELECT override_link('conversation', 'acc-1/wa:554188880104', 'not_contact', 4, 'por quê')",
        {"oto"},
        set(),
    ),
    (
        "a contact for a phone",
        "SELECT override_link('phone', '4188880103', 'contact', 3, 'por quê')",
        {"zoe"},
        set(),
    ),
    (
        "a contact for one chosen by hand",
        "SELECT override_link('conversation', 'acc-1/wa:554188880105', 'contact', 5, 'por quê')",
        {"eva"},
        set(),
    ),
    (
        "a contact for another account",
        "SELECT override_link('conversation', 'acc-2/wa:554188880101', 'contact', 3, 'por quê')",
        set(),
        set(),
    ),
    (
        "a contact for a title",
        "SELECT override_link('title', 'Ana Souza', 'contact', 3, 'por quê')",
        set(),
        set(),
    ),
    (
        "an order for a conversation",
        "SELECT override_link('conversation', 'acc-1/wa:554188880101', 'order', 901, 'por quê')",
        set(),
        {"ana"},
    ),
    (
        "no order for a phone",
        "SELECT override_link('phone', '4188880102', 'no_order', NULL, 'por quê')",
        set(),
        {"bia"},
    ),
    (
        "not this order",
        "SELECT override_link('conversation', 'acc-1/wa:554188880101', 'not_order', 901, 'por quê')",
        set(),
        {"ana"},
    ),
    # Orders.
    (
        "the customer of a named order",
        "UPDATE ordens_servico SET id_contato = 4 WHERE id = 903",
        {"zoe"},
        {"zoe", "oto"},
    ),
    (
        "a named order that comes",
        "INSERT INTO ordens_servico (id, numero_ordem_servico, id_contato) VALUES (77, '0903', 6)",
        {"zoe"},
        {"zoe"},
    ),
    (
        "an order of a customer",
        "INSERT INTO ordens_servico (id, numero_ordem_servico, id_contato) VALUES (78, '978', 1)",
        set(),
        {"ana"},
    ),
    (
        "an order of nobody who writes",
        "INSERT INTO ordens_servico (id, numero_ordem_servico, id_contato) VALUES (79, '979', 3)",
        set(),
        set(),
    ),
    (
        "an order's number",
        "UPDATE ordens_servico SET numero_ordem_servico = '911' WHERE id = 901",
        set(),
        {"ana"},
    ),
    (
        "an order's opening",
        "UPDATE ordens_servico SET data_emissao = '2026-02-20' WHERE id = 901",
        set(),
        {"ana"},
    ),
    (
        "an order's end",
        "UPDATE ordens_servico SET data_conclusao = '2026-03-20' WHERE id = 901",
        set(),
        {"ana"},
    ),
    ("an order's device", "UPDATE ordens_servico SET equipamento = 'TV' WHERE id = 901", set(), {"ana"}),
    ("an order's line", "UPDATE ordens_servico SET linha_dispositivo = 'TV' WHERE id = 901", set(), {"ana"}),
    ("an order's price", "UPDATE ordens_servico SET total_pecas = 5 WHERE id = 901", set(), set()),
    # Sessions and contacts of conversations.
    (
        "a session's end",
        "UPDATE chat_sessions SET ended_at = ended_at + interval '1 hour' WHERE id_conversation = $ana",
        set(),
        {"ana"},
    ),
    (
        "a session's devices",
        "UPDATE chat_sessions SET devices = '{tv}' WHERE id_conversation = $bia",
        set(),
        {"bia"},
    ),
    (
        "a session's stages",
        "UPDATE chat_sessions SET stages = '{opening}' WHERE id_conversation = $bia",
        set(),
        {"bia"},
    ),
    ("the number of a session's messages", "UPDATE chat_sessions SET message_count = 9", set(), set()),
    (
        "a number that a session names",
        "UPDATE chat_sessions SET order_numbers = '{901}' WHERE id_conversation = $oto",
        {"oto"},
        {"oto"},
    ),
    (
        "the surest candidate of a proposal",
        "UPDATE conversation_candidates SET id_contato = 3, confidence = 0.4"
        " WHERE id_conversation = $zoe AND rank = 1",
        set(),
        {"zoe"},
    ),
    (
        "how sure the candidate is",
        "UPDATE conversation_candidates SET confidence = 0.4 WHERE id_conversation = $zoe AND rank = 1",
        set(),
        {"zoe"},
    ),
    (
        "a candidate of a link",
        "UPDATE conversation_candidates SET confidence = 0.4 WHERE id_conversation = $ana",
        set(),
        set(),
    ),
    (
        "the contact of a conversation",
        "UPDATE conversations SET id_contato = 2 WHERE id = $ana",
        set(),
        {"ana"},
    ),
]


@pytest.mark.parametrize(
    ("change", "due", "due_orders"), [case[1:] for case in CHANGES], ids=[case[0] for case in CHANGES]
)
def test_a_change_makes_those_due_that_depend_on_it(
    linked: Connection, change: str, due: set[str], due_orders: set[str]
) -> None:
    with linked.transaction(force_rollback=True):
        ids: dict[str, Any] = {who: number for number, who in _who(linked).items()}
        store.keep_order_inputs(linked, store.due_orders(linked, list(ids.values()), RULES))
        linked.execute(Template(change).substitute(ids).encode())
        assert _due(linked) == due
        assert _due_orders(linked) == due_orders


def test_who_is_due_is_locked_and_who_is_locked_is_left_out(linked: Connection, database_url: str) -> None:
    with connect(database_url) as other, other.transaction(force_rollback=True):
        other.execute("SELECT FROM conversations WHERE external_id = %s FOR UPDATE", (PEOPLE["bia"][0],))
        with linked.transaction(force_rollback=True):
            assert _due(linked, "other rules") == ALL - {"bia"}
            assert _due_orders(linked) == ALL - {"bia"} | {"eva"}


def test_a_conversation_is_staged_with_all_that_linking_asks_of_a_chat(linked: Connection) -> None:
    with linked.transaction(force_rollback=True):
        ids = {who: number for number, who in _who(linked).items()}
        for value, key, replaced in (
            ("5541988880199", "4188880199", "now()"),
            ("554188880101", "4188880101", "NULL"),
            ("5541988880155", "4188880155", "NULL"),
            ("BR.1", None, "NULL"),
        ):
            linked.execute(
                "INSERT INTO conversation_identities (phone_number_id, value, canonical, kind, phone_key,"
                f" conversation_id, replaced_at) VALUES ('acc-1', %s, %s, 'wa_id', %s, %s, {replaced})"
                " ON CONFLICT DO NOTHING".encode(),
                (value, f"wa:{value}", key, ids["ana"]),
            )
        linked.execute(
            "INSERT INTO chat_sessions (id_conversation, number, started_at, ended_at, message_count,"
            " order_numbers, devices) VALUES (%s, 2, '2026-03-05 08:00', '2026-03-07', 1, '{77,9}', '{tv}'),"
            " (%s, 3, '2026-03-06', '2026-03-06', 1, '{9}', '{tv,lg}')",
            (ids["ana"], ids["ana"]),
        )
        for statement in (
            "UPDATE conversation_identities SET phone_key = NULL WHERE conversation_id = %s",
            "DELETE FROM chat_sessions WHERE id_conversation = %s",
        ):
            linked.execute(statement.encode(), (ids["zoe"],))
        staged = {-row.id: row for row in store.stage_conversations(linked, [ids["zoe"], ids["ana"]])}
    ana = staged.pop(ids["ana"])
    assert ana._replace(order_numbers=[], seen_devices=[]) == StagedChat(
        id=-ids["ana"],
        title="",
        phone_number="+5541988880101",
        phone_key="4188880101",
        name=None,
        order_reference=None,
        devices=[],
        is_group=False,
        first_day=date(2026, 3, 2),
        last_day=date(2026, 3, 7),
        header_keys=["4188880155", "4188880199"],  # the one that was replaced comes last
        seen_devices=[],
        order_numbers=[],
    )
    assert (sorted(ana.order_numbers), sorted(ana.seen_devices)) == (["77", "9"], ["lg", "tv"])
    zoe = staged.pop(ids["zoe"])
    assert (zoe.phone_number, zoe.phone_key, zoe.header_keys) == (None, None, [])
    assert (zoe.first_day, zoe.last_day, zoe.seen_devices, zoe.order_numbers) == (None, None, [], [])
    assert staged == {}


# Three numbers of one person. A case gives each with its phone key and the day when it was replaced.
OLDER, OLD, NEW = "5541988880111", "5541988880122", "5541988880133"


@pytest.mark.parametrize(
    ("external_id", "names", "phone", "others"),
    [
        # The number under which the conversation is known comes first, even one that was replaced.
        (OLD, ((OLDER, "01", None), (OLD, "02", 5), (NEW, "03", None)), (OLD, "02"), ["01", "03"]),
        # Under a user id it is a number that was not replaced, the smallest of several.
        ("BR.9", ((OLDER, "01", 3), (NEW, "03", None), (OLD, "02", None)), (OLD, "02"), ["03", "01"]),
        ("BR.9", ((OLDER, "01", 9), (OLD, "02", 3), (NEW, "03", None)), (NEW, "03"), ["02", "01"]),
        # All numbers were replaced: the one that was replaced first.
        ("BR.9", ((OLDER, "01", 9), (OLD, "02", 3)), (OLD, "02"), ["01"]),
        # Two variants of one number are one phone; a name without a phone key is none.
        (NEW, ((NEW, "03", None), ("554188880133", "03", None), ("BR.9", None, None)), (NEW, "03"), []),
        ("BR.9", (("BR.9", None, None),), (None, None), []),
    ],
)
def test_the_phone_of_a_conversation_is_chosen_among_its_numbers(
    linked: Connection,
    external_id: str,
    names: tuple[tuple[str, str | None, int | None], ...],
    phone: tuple[str | None, str | None],
    others: list[str],
) -> None:
    with linked.transaction(force_rollback=True):
        ((new,),) = rows(
            linked,
            "INSERT INTO conversations (phone_number_id, external_id) VALUES ('acc-1', %s) RETURNING id",
            external_id,
        )
        for value, key, replaced in names:
            linked.execute(
                "INSERT INTO conversation_identities (phone_number_id, value, canonical, kind, phone_key,"
                " conversation_id, replaced_at) VALUES ('acc-1', %s, %s, 'wa_id', %s, %s, %s)",
                (value, value, key, new, replaced and f"2026-01-{replaced:02}"),
            )
        [staged] = store.stage_conversations(linked, [new])
    assert (staged.phone_number, staged.phone_key) == (phone[0] and f"+{phone[0]}", phone[1])
    assert staged.header_keys == others


def test_a_decision_says_how_many_conversations_it_is_about(linked: Connection) -> None:
    with linked.transaction(force_rollback=True):
        ids = {who: number for number, who in _who(linked).items()}
        assert store.live_target(linked, ids["ana"]) == "acc-1/wa:554188880101"
        assert store.live_target(linked, 10**9) is None
        for kind, target, expected in (
            ("conversation", "acc-1/wa:554188880101", 1),
            ("conversation", "acc-2/wa:554188880101", 0),
            ("phone", "4188880102", 1),
            ("phone", "4188880199", 0),
            ("title", "Ana Souza", 0),
        ):
            ((made,),) = rows(
                linked, "SELECT override_link(%s, %s, 'no_contact', NULL, 'por quê')", kind, target
            )
            assert store.conversations_of(linked, made) == expected, target
        # The name under which it is known outside comes first, the others in their order.
        for value in ("5541988880100", "5541988880109"):
            linked.execute(
                "INSERT INTO conversation_identities (phone_number_id, value, canonical, kind,"
                " conversation_id) VALUES ('acc-1', %s, %s, 'wa_id', %s)",
                (value, f"wa:{value}", ids["ana"]),
            )
        assert store.live_target(linked, ids["ana"]) == "acc-1/wa:554188880101"
        linked.execute("UPDATE conversations SET external_id = 'x' WHERE id = %s", (ids["ana"],))
        assert store.live_target(linked, ids["ana"]) == "acc-1/wa:5541988880100"


def test_conversations_of_persons_are_read_in_pages(linked: Connection) -> None:
    who = _who(linked)
    persons = sorted(number for number, name in who.items() if name != "group")
    assert store.next_conversations(linked, after=0, limit=100) == persons
    assert store.next_conversations(linked, after=persons[1], limit=2) == persons[2:4]
    assert store.next_conversations(linked, after=persons[-1], limit=2) == []


def test_other_rules_make_all_due_but_groups_and_those_a_person_decided(linked: Connection) -> None:
    with linked.transaction(force_rollback=True):
        assert _due(linked, "other rules") == ALL
        linked.execute("UPDATE conversations SET match_method = 'override' WHERE match_status = 'manual'")
        assert _due(linked, "other rules") == {*ALL, "eva"}
        assert _due_orders(linked) == {*ALL, "eva"}
