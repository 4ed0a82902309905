"""Changes by hand that once passed the tests, each with the tests that fail by it now.

What belongs here: the changes, as text that stands once in its file. What does not: drawing others.
"""

from __future__ import annotations

from pathlib import Path

from bench.mutants.areas import PACKAGE, QUERIES, Area
from bench.mutants.python_mutants import Mutant

_DOMAIN, _STEPS = "domain/matching", "steps/operations"
_METRICS = ("domain/summaries/metrics.py", "steps/summaries/test_summarize.py")

# What is changed: the file (in sql/queries, or in the package), the text before and after, and the tests.
_NAMED: tuple[tuple[str, str, str, str], ...] = (
    (
        "steps/chats/index_chats.py",
        " and not self._archive.exists(old)",
        "",
        "steps/chats/test_index_chats.py",
    ),
    (
        f"{_DOMAIN}/contacts.py",
        "_MESSAGE_ORDER_ALONE = -2.0",
        "_MESSAGE_ORDER_ALONE = 3.0",
        f"{_DOMAIN}/test_decision_table.py",
    ),
    (f"{_DOMAIN}/orders.py", " and second < best * policy.runner_up", "", f"{_DOMAIN}/test_order*.py"),
    (
        "store/operations/privacy_webhooks.py",
        "    _delete_statuses(conn, person.has_identity, patterns)\n",
        "",
        "webhook/test_privacy.py",
    ),
    (
        "store/operations/privacy.py",
        "AND target NOT IN (SELECT title_key(title)",
        "AND 'x' NOT IN (SELECT title_key(title)",
        f"{_STEPS}/test_privacy.py",
    ),
    ("domain/personal_text.py", "digits[-8:] in known", "digits in known", "domain/test_personal_text.py"),
    (
        "domain/personal_text.py",
        "digits[-8:] in known",
        "digits[-7:] in known",
        "domain/test_personal_text.py",
    ),
    (
        "domain/phones.py",
        "last8, had_ninth = number[-8:]",
        "last8, had_ninth = number[-7:]",
        "domain/test_phones.py",
    ),
    (
        "steps/chats/scan.py",
        "phone_key or (header_keys.pop()",
        "(header_keys.pop()",
        "steps/chats/test_scan*.py",
    ),
    (
        "steps/chats/scan.py",
        "identity = phone_key or (header_keys.pop() if len(header_keys) == 1 else None)",
        "identity = phone_key",
        "steps/chats/test_scan*.py",
    ),
    (
        "chats/duplicates_mark.sql",
        "direction, sender, id_chat_file",
        "direction, id_chat_file",
        "steps/chats/test_load_messages.py",
    ),
    (
        "chats/duplicates_mark.sql",
        "direction, sender, nth",
        "direction, nth",
        "steps/chats/test_load_messages.py",
    ),
    (
        "steps/summaries/summarize.py",
        "reply_limit: timedelta = timedelta(days=30)",
        "reply_limit: timedelta = timedelta(days=31)",
        _METRICS[1],
    ),
    ("summaries/summaries_replies.sql", "<= %(reply_limit)s", "< %(reply_limit)s", _METRICS[1]),
    (
        "summaries/summaries_moods.sql",
        "t.at >= l.started_at - interval '90 days')\n               / ",
        "t.at > l.started_at - interval '90 days')\n               / ",
        _METRICS[1],
    ),
    (
        "summaries/summaries_moods.sql",
        "weight) FILTER (WHERE t.at > s.last_at - interval '90 days')",
        "weight) FILTER (WHERE t.at > s.last_at - interval '91 days')",
        _METRICS[1],
    ),
    *(
        (_METRICS[0], f"{name}: int = {bound}", f"{name}: int = {bound + by}", _METRICS[1])
        for name, bound in (
            ("frequent_days", 90),
            ("frequent_count", 3),
            ("regular_days", 365),
            ("regular_count", 3),
            ("occasional_days", 365),
            ("occasional_count", 2),
        )
        for by in (-1, 1)
    ),
)


def named(root: Path) -> list[tuple[Area, Mutant]]:
    """Return the changes with an area of their tests; ends the tool where a text is not in its file."""
    found = []
    for number, (name, before, after, tests) in enumerate(_NAMED):
        path = f"{QUERIES}/{name}" if name.endswith(".sql") else f"{PACKAGE}/{name}"
        text = (root / path).read_text(encoding="utf-8")
        if before not in text:
            raise SystemExit(f"{path} no longer has {before!r}: change bench/mutants/named.py with it")
        start = text.index(before)
        line = text.count("\n", 0, start) + 1
        mutant = Mutant(path, line, "logic", start, start + len(before), before, after)
        found.append((Area(f"named {number}", (), (), (tests,)), mutant))
    return found
