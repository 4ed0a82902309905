"""There is one clock: what decides by the time asks it, and statements take it as a parameter."""

from __future__ import annotations

import ast
import re
from datetime import UTC, datetime, timedelta

import whatsapp_pipeline
from whatsapp_pipeline import clock
from whatsapp_pipeline.settings import PROJECT_ROOT
from whatsapp_pipeline_tests.source_scan import parse_text

# The server's clock decides nothing but these. Several processes wait for each other by it, or both moments
# that are compared are the server's own.
SERVERS_CLOCK = {
    "sql/queries/conversations/lease_deliveries.sql": "leases and pauses between processes",
    "sql/queries/conversations/add_questions.sql": "a pause of the assistant, which the server's clock began",
    "sql/queries/links/review_queue.sql": "items that a reviewer put off, stored by the server's clock",
    "sql/queries/links/review_page.sql": "items that a reviewer put off, stored by the server's clock",
    "sql/queries/links/live_review_queue.sql": "items that a reviewer put off, stored by the server's clock",
    "sql/queries/summaries/live_stale.sql": "changes are noted by the server's clock",
    "store/summaries/stale_summaries.py": "decisions are noted by the server's clock",
    "store/summaries/unlinked_work.py": "changes are noted by the server's clock",
    "store/contacts/erp_passes.py": "the start of a pass is noted by the server's clock",
    "store/conversations/assistant.py": "leases and pauses between processes",
    "store/conversations/inbox.py": "leases and pauses between processes",
    "store/conversations/conversations.py": "a reply is stamped as it is stored",
    "store/operations/api_tokens.py": "the life of a token, stored by the server's clock",
    "store/operations/console_access.py": "sessions and links to log in, stored by the server's clock",
    "store/operations/console_views.py": "looks at messages, stored by the server's clock",
}
_NOW = re.compile(
    r"\b(now\(\)|current_date\b|current_timestamp\b|localtimestamp\b|clock_timestamp\(\))", re.I
)
# `now() - x`, `x > now()`, `now() <= x`, `greatest(now(), x)`: a decision and no time stamp.
_DECIDES = re.compile(r"[<>]=?\s*now\(\)|now\(\)\s*(-|<|>)|(greatest|least)\([^()]*now\(\)", re.I)


def _files() -> dict[str, str]:
    package = PROJECT_ROOT / whatsapp_pipeline.__name__
    texts = {
        str(path.relative_to(PROJECT_ROOT)): "\n".join(
            line.partition("--")[0] for line in path.read_text(encoding="utf-8").splitlines()
        )
        for path in (PROJECT_ROOT / "sql" / "queries").rglob("*.sql")
    }
    for path in package.rglob("*.py"):
        tree = parse_text(path.read_text(encoding="utf-8"))
        strings = [
            n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)
        ]
        texts[str(path.relative_to(package))] = "\n".join(strings)
    return texts


def test_statements_that_decide_by_the_time_take_it_as_a_parameter() -> None:
    found = {name for name, text in _files().items() if _NOW.search(text) and _DECIDES.search(text)}
    assert sorted(found - SERVERS_CLOCK.keys()) == []
    assert sorted(SERVERS_CLOCK.keys() - found) == [], "no longer needed"


def test_now_stands_where_a_test_sets_it() -> None:
    moment = datetime(2025, 3, 1, 1, 30, tzinfo=UTC)
    with clock.set_to(moment):
        assert clock.now() == moment
        assert f"{clock.today():%Y-%m-%d}" == "2025-02-28"  # in the archive's zone
        with clock.set_to(moment + timedelta(days=1)):
            assert f"{clock.today():%Y-%m-%d}" == "2025-03-01"
        assert clock.now() == moment
    assert clock.now() > datetime(2026, 1, 1, tzinfo=UTC)
