"""Each condition of the checks of summaries is needed: its own fault is found by it alone.

One database holds every fault, each in a summary of its own. Dagster's check finds exactly these, and a check
without one of its conditions finds others.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import LiteralString, NamedTuple

import dagster as dg
import pytest

from whatsapp_pipeline import clock
from whatsapp_pipeline.checks.summaries import CHECKS
from whatsapp_pipeline.store import queries
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline_tests.checks.test_rules import PLANTS as PLANTED
from whatsapp_pipeline_tests.checks.test_rules import plant
from whatsapp_pipeline_tests.prepared import Prepared, definitions

_CLAIM: LiteralString = "UPDATE customer_chat_summaries SET claims = '[{}]' WHERE id_contato = %(contact)s"
_LIVE: LiteralString = """
WITH conversation AS (
    INSERT INTO conversations (external_id, phone_number_id, id_contato, match_status)
    VALUES ('planted ' || %(contact)s, '1', %(contact)s, '{status}') RETURNING id
)
INSERT INTO conversation_messages (conversation_id, role, text, origin, phone_number_id, message_key, sent_at,
                                   local_time)
SELECT id, '{role}', 'planted', '{origin}', '1', 'planted ' || %(contact)s, now(), now()::timestamp
  FROM conversation
"""
_UNLINK: LiteralString = (
    "UPDATE chat_files SET id_contato = NULL, match_status = 'unmatched' WHERE id_contato = %(contact)s"
)


_ONE_MORE: LiteralString = (
    "UPDATE customer_conversations SET message_count = message_count + 1 WHERE id_contato = %(contact)s"
    " AND number = (SELECT min(number) FROM customer_conversations WHERE id_contato = %(contact)s)"
)


# A later reading finds that a message is no text; the summary still counts it as somebody's words.
_RETYPE: LiteralString = (
    "UPDATE chat_messages SET type = '{type}' WHERE id = (SELECT min(message_id) FROM messages_all"
    " WHERE source = 'chat' AND id_contato = %(contact)s AND side = '{side}' AND type = 'text')"
)


class Plant(NamedTuple):
    """What is done to one summary, and whether the check finds it."""

    check: str
    name: str
    statements: tuple[LiteralString, ...]
    found: bool = True


def _set(columns: LiteralString) -> LiteralString:
    return "UPDATE customer_chat_summaries SET " + columns + " WHERE id_contato = %(contact)s"


def _times(name: str, columns: LiteralString, *, found: bool = True) -> Plant:
    """Plant times in a summary whose other times are in order."""
    base: LiteralString = (
        "first_response_median_s = 90, first_response_p90_s = 900, first_response_median_business_s = 60,"
        " first_response_p90_business_s = 600, reply_median_s = 90, reply_p90_s = 900,"
        " reply_median_business_s = 60, reply_p90_business_s = 600"
    )
    return Plant("summary_times_are_possible", name, (_set(base), _set(columns)), found)


COUNTS, EVIDENCE = "summary_counts_are_right", "summary_evidence_exists"
CITE, CLAIMS = "summaries_cite_their_customer", "summary_claims_are_supported"
SUMS, TIMES = "summary_numbers_add_up", "summary_times_are_possible"
OWNERS, PRESENT = "summaries_are_of_customers_with_chats", "every_linked_contact_has_a_summary"
PLANTS = [
    Plant(COUNTS, "messages", (_set("message_count = message_count + 1"),)),
    Plant(COUNTS, "customer", (_set("customer_messages = customer_messages + 1"), _ONE_MORE)),
    Plant(COUNTS, "staff", (_set("staff_messages = staff_messages + 1"), _ONE_MORE)),
    Plant(COUNTS, "deleted by the customer", (_RETYPE.format(side="from", type="deleted"),)),
    Plant(COUNTS, "call by staff", (_RETYPE.format(side="to", type="call"),)),
    Plant(COUNTS, "conversations", (_set("conversation_count = conversation_count + 1"),)),
    Plant(COUNTS, "sum of the conversations", (_ONE_MORE,)),
    Plant(
        COUNTS,
        "an unsent answer is no message",
        (_LIVE.format(status="linked", role="assistant", origin="assistant"),),
        found=False,
    ),
    Plant(EVIDENCE, "chat", (_set("evidence_message_ids = '{-1}'"),)),
    Plant(EVIDENCE, "webhook", (_set("evidence_webhook_ids = '{-1}'"),)),
    Plant(
        CITE,
        "another's chat",
        (
            _set(
                "evidence_message_ids = ARRAY(SELECT m.id FROM chat_messages m JOIN chat_files f"
                " ON f.id = m.id_chat_file WHERE f.id_contato <> %(contact)s ORDER BY m.id LIMIT 1)"
            ),
        ),
    ),
    Plant(
        CITE,
        "another's webhook",
        (
            _set(
                "evidence_webhook_ids = ARRAY(SELECT m.id FROM conversation_messages m JOIN conversations c"
                " ON c.id = m.conversation_id WHERE c.id_contato <> %(contact)s ORDER BY m.id LIMIT 1)"
            ),
        ),
    ),
    Plant(CITE, "no chat message", (_set("evidence_message_ids = '{-1}'"),)),
    Plant(CITE, "no webhook message", (_set("evidence_webhook_ids = '{-1}'"),)),
    Plant(CLAIMS, "nothing", (_CLAIM.replace("{}", '{"kind": "x", "messages": [], "orders": []}'),)),
    Plant(CLAIMS, "no key messages", (_CLAIM.replace("{}", '{"kind": "x", "orders": []}'),)),
    Plant(CLAIMS, "no key orders", (_CLAIM.replace("{}", '{"kind": "x", "messages": []}'),)),
    Plant(CLAIMS, "an order", (_CLAIM.replace("{}", '{"messages": [], "orders": [1]}'),), found=False),
    Plant(CLAIMS, "a message", (_CLAIM.replace("{}", '{"messages": ["chat:1"]}'),), found=False),
    Plant(SUMS, "sides", (_set("other_messages = other_messages + 1"),)),
    Plant(SUMS, "dates", (_set("first_interaction_date = last_interaction_date + interval '1 second'"),)),
    Plant(
        SUMS,
        "no message",
        (_set("message_count = 0, customer_messages = 0, staff_messages = 0, other_messages = 0"),),
    ),
    Plant(SUMS, "no text", (_set("summary = '  '"),)),
    _times("first median", "first_response_median_s = -1, first_response_median_business_s = NULL"),
    _times("first business median", "first_response_median_business_s = -1"),
    _times("reply median", "reply_median_s = -1, reply_median_business_s = NULL"),
    _times("reply business median", "reply_median_business_s = -1"),
    _times("first longest", "first_response_p90_s = 30 * 86400 + 1"),
    _times("reply longest", "reply_p90_s = 30 * 86400 + 1"),
    _times("thirty days", "first_response_p90_s = 30 * 86400, reply_p90_s = 30 * 86400", found=False),
    _times("first business", "first_response_median_business_s = 91"),
    _times("first business p90", "first_response_p90_business_s = 901"),
    _times("reply business", "reply_median_business_s = 91"),
    _times("reply business p90", "reply_p90_business_s = 901"),
    _times("first p90", "first_response_p90_s = 89, first_response_p90_business_s = 60"),
    _times("first p90 business", "first_response_p90_business_s = 59"),
    _times("reply p90", "reply_p90_s = 89, reply_p90_business_s = 60"),
    _times("reply p90 business", "reply_p90_business_s = 59"),
    _times(
        "all equal",
        "first_response_p90_s = 90, first_response_p90_business_s = 60, reply_p90_s = 60,"
        " reply_p90_business_s = 60, reply_median_s = 60",
        found=False,
    ),
    _times("order of dates", "first_interaction_date = last_interaction_date + interval '1 second'"),
    _times("future", "last_interaction_date = now() + interval '3 days'"),
    _times("tomorrow", "last_interaction_date = now() + interval '1 day'", found=False),
    Plant(OWNERS, "no chat", (_UNLINK,)),
    Plant(
        OWNERS,
        "proposed chat",
        ("UPDATE chat_files SET match_status = 'proposed' WHERE id_contato = %(contact)s",),
    ),
    Plant(
        OWNERS,
        "conversation",
        (
            _UNLINK,
            _LIVE.format(status="linked", role="user", origin="message"),
        ),
        found=False,
    ),
    Plant(
        OWNERS,
        "proposed conversation",
        (
            _UNLINK,
            _LIVE.format(status="proposed", role="user", origin="message"),
        ),
    ),
    Plant(PRESENT, "no summary", ("DELETE FROM customer_chat_summaries WHERE id_contato = %(contact)s",)),
]
_ROW = (
    "(s.message_count, s.customer_messages, s.staff_messages)\n"
    "        IS DISTINCT FROM (coalesce(c.messages, 0), coalesce(c.customer, 0), coalesce(c.staff, 0))"
)
# Check → its conditions: a part of the statement, and what it reads without the condition.
CONDITIONS: dict[str, list[tuple[str, str]]] = {
    COUNTS: [
        (
            _ROW,
            "(s.customer_messages, s.staff_messages) IS DISTINCT FROM"
            " (coalesce(c.customer, 0), coalesce(c.staff, 0))",
        ),
        (
            _ROW,
            "(s.message_count, s.staff_messages) IS DISTINCT FROM"
            " (coalesce(c.messages, 0), coalesce(c.staff, 0))",
        ),
        (
            _ROW,
            "(s.message_count, s.customer_messages) IS DISTINCT FROM"
            " (coalesce(c.messages, 0), coalesce(c.customer, 0))",
        ),
        ("OR s.conversation_count <> coalesce(k.conversations, 0)", ""),
        ("OR s.customer_messages + s.staff_messages <> coalesce(k.messages, 0)", ""),
        (" AND side IS DISTINCT FROM 'unsent'", ""),
        (" FILTER (WHERE speaking_side(side, type) = 'from')", ""),
        ("speaking_side(side, type) = 'from'", "side = 'from'"),
        ("speaking_side(side, type) = 'to'", "side = 'to'"),
        (" FILTER (WHERE speaking_side(side, type) = 'to')", ""),
    ],
    EVIDENCE: [
        ("NOT EXISTS (SELECT FROM chat_messages m WHERE m.id = e.id)", "false"),
        ("NOT EXISTS (SELECT FROM conversation_messages m WHERE m.id = e.id)", "false"),
    ],
    CITE: [
        ("unnest(s.evidence_message_ids)", "unnest('{}'::bigint[])"),
        ("unnest(s.evidence_webhook_ids)", "unnest('{}'::bigint[])"),
        ("LEFT JOIN chat_messages", "JOIN chat_messages"),
        ("LEFT JOIN conversation_messages", "JOIN conversation_messages"),
    ],
    CLAIMS: [
        ("coalesce(claim -> 'messages', '[]') = '[]' AND ", ""),
        (" AND coalesce(claim -> 'orders', '[]') = '[]'", ""),
        ("coalesce(claim -> 'messages', '[]')", "claim -> 'messages'"),
        ("coalesce(claim -> 'orders', '[]')", "claim -> 'orders'"),
    ],
    SUMS: [
        ("message_count <> customer_messages + staff_messages + other_messages", "false"),
        ("OR first_interaction_date > last_interaction_date", ""),
        ("OR message_count < 1", ""),
        ("OR btrim(summary) = ''", ""),
        ("btrim(summary)", "summary"),
    ],
    TIMES: [
        ("least(first_response_median_s, ", "least("),
        ("least(first_response_median_s, reply_median_s, ", "least(first_response_median_s, "),
        ("reply_median_business_s,\n            first", "first"),
        (",\n            first_response_median_business_s) < 0", ") < 0"),
        (
            "least(first_response_median_s, reply_median_s, reply_median_business_s,\n"
            "            first_response_median_business_s) < 0",
            "false",
        ),
        ("greatest(first_response_p90_s, ", "greatest("),
        ("greatest(first_response_p90_s, reply_p90_s)", "first_response_p90_s"),
        ("greatest(first_response_p90_s, reply_p90_s) > 30 * 86400", "false"),
        ("> 30 * 86400", ">= 30 * 86400"),
        ("OR first_response_median_business_s > first_response_median_s", ""),
        ("OR first_response_p90_business_s > first_response_p90_s", ""),
        ("OR reply_median_business_s > reply_median_s", ""),
        ("OR reply_p90_business_s > reply_p90_s", ""),
        ("OR first_response_p90_s < first_response_median_s", ""),
        ("OR first_response_p90_business_s < first_response_median_business_s", ""),
        ("OR reply_p90_s < reply_median_s", ""),
        ("OR reply_p90_business_s < reply_median_business_s", ""),
        ("reply_p90_s < reply_median_s", "reply_p90_s <= reply_median_s"),
        ("OR last_interaction_date < first_interaction_date", ""),
        ("OR last_interaction_date > %(now)s::timestamptz::timestamp + interval '2 days'", ""),
        (" + interval '2 days'", ""),
    ],
    OWNERS: [
        (" AND f.match_status IN ('linked', 'manual')", ""),
        (" AND c.match_status IN ('linked', 'manual')", ""),
        ("WHERE f.id_contato = s.id_contato AND", "WHERE"),
        ("WHERE c.id_contato = s.id_contato AND", "WHERE"),
    ],
    PRESENT: [
        ("m.id_contato IS NOT NULL\n  AND", ""),
        ("WHERE s.id_contato = m.id_contato", ""),
    ],
}


class World(NamedTuple):
    """The database with every fault, and the contact that each fault was planted on."""

    conn: Connection
    defs: dg.Definitions
    contacts: dict[str, dict[str, int]]

    def expected(self, check: str) -> list[int]:
        return sorted(self.contacts[check][p.name] for p in PLANTS if p.check == check and p.found)

    def planted(self, check: str, statement: str) -> list[int | None]:
        """Return the contacts that a statement finds among those of its check."""
        rows = self.conn.execute(statement.encode(), {"now": clock.now()}).fetchall()
        mine = {None, *self.contacts[check].values()}
        return sorted({row[0] for row in rows if row[0] in mine}, key=lambda contact: contact or 0)


def _failing(check: str) -> str:
    text = (queries.QUERIES_DIR / "summaries" / f"check_{check}.sql").read_text(encoding="utf-8")
    return text.partition("-- name: failing\n")[2]


@pytest.fixture(scope="module")
def world(prepared_url: str, prepared: Prepared) -> Iterator[World]:
    with connect(prepared_url) as conn:
        rows = conn.execute(
            "SELECT id_contato FROM customer_chat_summaries s"
            " WHERE customer_messages > 0 AND staff_messages > 0"
            " AND EXISTS (SELECT FROM customer_conversations k WHERE k.id_contato = s.id_contato)"
            " ORDER BY id_contato"
        ).fetchall()
        free, claims = (iter([contact for (contact,) in rows]) for _ in range(2))
        contacts: dict[str, dict[str, int]] = {}
        # The tables' own guards refuse some of these faults; another program would meet them too.
        conn.execute("SET session_replication_role = replica")
        conn.execute(
            "ALTER TABLE chat_files DROP CONSTRAINT IF EXISTS chat_files_check,"
            " DROP CONSTRAINT IF EXISTS chat_files_check1"
        )
        for plant in PLANTS:
            # Claims are read by one check alone: their plants share contacts with others.
            contact = next(claims if plant.check == CLAIMS else free)
            contacts.setdefault(plant.check, {})[plant.name] = contact
            for statement in plant.statements:
                conn.execute(statement, {"contact": contact})
        yield World(conn, definitions(prepared_url, prepared.sample), contacts)


@pytest.mark.parametrize("check", sorted(CONDITIONS))
def test_dagsters_check_finds_the_planted_faults(world: World, check: str) -> None:
    key = dg.AssetCheckKey(dg.AssetKey("customer_summaries"), check)
    job = world.defs.resolve_job_def("all_checks").get_subset(asset_check_selection={key})
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(instance=instance, raise_on_error=False)
    (evaluation,) = result.get_asset_check_evaluations()
    table = evaluation.metadata["failing_rows"]
    assert isinstance(table, dg.TableMetadataValue)
    found = {int(str(record.data["id_contato"])) for record in table.records}
    mine = set(world.contacts[check].values())
    assert not evaluation.passed
    assert sorted(found & mine) == world.expected(check)
    assert world.planted(check, _failing(check)) == world.expected(check)


def test_dagster_finds_more_once_the_other_faults_are_planted(world: World) -> None:
    """The checks without a list of conditions: each counts more failing rows when its fault is planted."""
    assets = {check.name: check.asset for check in CHECKS if check.name not in CONDITIONS}
    keys = {dg.AssetCheckKey(dg.AssetKey(asset), name) for name, asset in assets.items()}
    job = world.defs.resolve_job_def("all_checks").get_subset(asset_check_selection=keys)

    def failing() -> dict[str, int]:
        with dg.DagsterInstance.ephemeral() as instance:
            result = job.execute_in_process(instance=instance, raise_on_error=False)
        return {
            evaluation.check_name: 0 if evaluation.passed else int(str(evaluation.metadata["failing"].value))
            for evaluation in result.get_asset_check_evaluations()
        }

    before, after = failing(), {}
    for name in assets:
        with world.conn.transaction():
            plant(world.conn, PLANTED[name])
        after[name] = failing()[name]
    assert {name for name in assets if after[name] <= before[name]} == set()


@pytest.mark.parametrize(
    ("check", "condition", "without"),
    [(check, *condition) for check, conditions in CONDITIONS.items() for condition in conditions],
    ids=lambda value: " ".join(value.split())[-50:],
)
def test_every_condition_is_needed(world: World, check: str, condition: str, without: str) -> None:
    statement = _failing(check)
    assert statement.count(condition) == 1
    assert world.planted(check, statement.replace(condition, without)) != world.expected(check)


def test_no_condition_is_left_out() -> None:
    """Each comparison of a check's last WHERE is part of a condition above."""
    for check, conditions in CONDITIONS.items():
        where = _failing(check).rpartition("\nWHERE ")[2]
        for condition, _ in sorted(conditions, key=lambda pair: -len(pair[0])):
            where = where.replace(condition, "")
        left = [sign for sign in (" < ", " > ", " <> ", "IS NOT NULL", "IS NULL") if sign in where]
        assert left == [], (check, where)
