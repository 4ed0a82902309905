"""The areas that mutants are drawn from: their files, and the tests of each by the mirrored layout.

What belongs here: which files and tests form an area. What does not: what is changed in a file.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PACKAGE, TESTS, QUERIES = "whatsapp_pipeline", "whatsapp_pipeline_tests", "sql/queries"


@dataclass(frozen=True, slots=True)
class Area:
    """Modules and statements that work together, and the test files of these modules and of their step.

    `code` is relative to the package, `queries` to sql/queries, `tests` to the tests; all are patterns.
    """

    name: str
    code: tuple[str, ...]
    queries: tuple[str, ...]
    tests: tuple[str, ...]

    def files(self, root: Path) -> list[Path]:
        """Return the files that are changed, in a fixed order."""
        found = {path for pattern in self.code for path in (root / PACKAGE).glob(pattern)}
        found |= {path for pattern in self.queries for path in (root / QUERIES).glob(pattern)}
        return sorted(path for path in found if path.name != "__init__.py")

    def test_files(self, root: Path) -> list[Path]:
        """Return the test files, those without a database first."""
        found = {path for pattern in self.tests for path in (root / TESTS).glob(pattern)}
        domain_first = sorted(
            found, key=lambda path: (path.relative_to(root / TESTS).parts[0] != "domain", path)
        )
        return [path for path in domain_first if path.name.startswith("test_")]


AREAS = (
    Area(
        "phones",
        ("domain/phone*.py", "steps/contacts/normalize_contacts.py", "store/contacts/phones.py"),
        ("contacts/normalize_*.sql",),
        ("domain/test_phone*.py", "steps/contacts/test_normalize_contacts.py"),
    ),
    Area(
        "titles",
        ("domain/titles.py", "domain/chat_names.py", "domain/chat_evidence.py"),
        (),
        (
            "domain/test_titles.py",
            "domain/test_chat_names.py",
            "domain/test_chat_evidence.py",
            "steps/chats/test_index_chats.py",
            "steps/chats/test_chat_reading.py",
        ),
    ),
    Area(
        "cascade",
        (
            "domain/matching/contacts.py",
            "domain/matching/few_names.py",
            "domain/matching/naming.py",
            "domain/matching/overrides.py",
            "domain/matching/live.py",
            "steps/links/link_contacts.py",
            "steps/links/name_evidence.py",
            "steps/links/staleness.py",
            "steps/links/chat_ends.py",
            "steps/links/live_links.py",
            "store/links/contact_links.py",
            "store/links/decisions.py",
            "store/links/overrides.py",
            "store/links/link_parts.py",
            "store/links/fingerprints.py",
            "store/links/live_links.py",
        ),
        (
            "links/link_*.sql",
            "links/links_update.sql",
            "links/judged_*.sql",
            "links/part_contacts.sql",
            "links/part_links_contact_links.sql",
            "links/stamp_contact_links_*.sql",
            "links/conversation_*.sql",
        ),
        (
            "domain/matching/test_contacts.py",
            "domain/matching/test_decision_table.py",
            "domain/matching/test_live*.py",
            "domain/matching/test_overrides*.py",
            "domain/matching/test_few*.py",
            "domain/matching/test_naming.py",
            "steps/links/test_link_contacts.py",
            "steps/links/test_decide.py",
            "steps/links/test_name_evidence.py",
            "steps/links/test_chat_ends.py",
            "steps/links/test_link_stamps.py",
            "steps/links/test_staleness.py",
            "steps/links/test_live_inputs.py",
            "steps/links/test_live_links.py",
            "store/links/test_*.py",
        ),
    ),
    Area(
        "orders",
        (
            "domain/matching/order*.py",
            "steps/links/link_orders.py",
            "steps/links/order_evidence.py",
            "store/links/order_links.py",
            "store/links/order_lookup.py",
        ),
        (
            "links/order_*.sql",
            "links/orders_update*.sql",
            "links/part_orders.sql",
            "links/part_links_order_links.sql",
            "links/stamp_order_links_*.sql",
        ),
        (
            "domain/matching/test_order*.py",
            "steps/links/test_link_orders.py",
            "steps/links/test_order_evidence.py",
            "steps/links/test_link_stamps.py",
            "steps/links/test_live_links.py",
            "store/links/test_link_parts.py",
            "store/links/test_order*.py",
        ),
    ),
    Area(
        "loading",
        ("steps/chats/*.py", "store/chats/*.py"),
        ("chats/duplicates_*.sql", "chats/index_*.sql", "chats/messages_*.sql"),
        ("steps/chats/test_*.py", "store/chats/test_*.py"),
    ),
    Area(
        "conversations",
        (
            "domain/conversations.py",
            "domain/webhook_json.py",
            "steps/conversations/*.py",
            "store/conversations/*.py",
        ),
        (
            "conversations/add_*.sql",
            "conversations/apply_*.sql",
            "conversations/carry_*.sql",
            "conversations/keep_*.sql",
            "conversations/lease_*.sql",
            "conversations/merge.sql",
            "conversations/rename.sql",
            "conversations/settle_*.sql",
            "conversations/sessions_*.sql",
        ),
        (
            "domain/test_conversations.py",
            "domain/test_webhook_json.py",
            "steps/conversations/test_*.py",
            "store/conversations/test_*.py",
        ),
    ),
    Area(
        "privacy",
        (
            "domain/redaction.py",
            "domain/personal_text.py",
            "steps/operations/privacy*.py",
            "steps/operations/retention.py",
            "store/operations/privacy*.py",
            "webhook/privacy.py",
        ),
        (),
        (
            "domain/test_personal_text.py",
            "domain/test_redaction*.py",
            "steps/operations/test_privacy*.py",
            "steps/operations/test_erasure*.py",
            "steps/operations/test_retention.py",
            "webhook/test_privacy.py",
            "store/operations/test_privacy*.py",
        ),
    ),
    Area(
        "metrics",
        (
            "domain/summaries/metrics.py",
            "steps/summaries/summarize.py",
            "steps/summaries/read_texts.py",
            "store/summaries/summaries.py",
        ),
        ("summaries/summaries_*.sql",),
        ("domain/summaries/test_metrics.py", "steps/summaries/test_*.py", "store/summaries/test_*.py"),
    ),
)
