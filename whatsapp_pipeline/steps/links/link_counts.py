"""The counts that linking a month reports, for chats and for sessions.

What belongs here: counting links by status, method and flag. What does not: linking (link_contacts.py,
link_orders.py) and the report for people (store/links/link_report.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from whatsapp_pipeline.store.links.decisions import Tally


@dataclass(frozen=True, slots=True)
class LinkReport:
    """Counts of a month's chats or sessions, and of the rows that linking changed."""

    month: str
    of: Literal["chats", "sessions"]
    by_status: Mapping[str, int]
    by_method: Mapping[str, int]
    by_flag: Mapping[str, int]
    changed: Mapping[str, int]

    def counts(self) -> dict[str, int]:
        """Return the counts by name. The counts of methods include only rows with a contact or order."""
        return {
            self.of: sum(self.by_status.values()),
            **self.by_status,
            **{f"by_{method}": count for method, count in self.by_method.items()},
            **{f"flag_{flag}": count for flag, count in self.by_flag.items()},
            **{f"{kind}_changed": count for kind, count in self.changed.items()},
        }


def count_links(
    month: str, of: Literal["chats", "sessions"], tallies: Iterable[Tally], changed: Mapping[str, int]
) -> LinkReport:
    """Return the counts of the month's current links."""
    statuses, methods, flags = Counter[str](), Counter[str](), Counter[str]()
    for tally in tallies:
        statuses[tally.status] += tally.rows
        if tally.linked and tally.method:
            methods[tally.method] += tally.rows
        for flag in tally.flags:
            flags[flag] += tally.rows
    by_status, by_method, by_flag = (dict(sorted(found.items())) for found in (statuses, methods, flags))
    return LinkReport(month, of, by_status, by_method, by_flag, changed)
