"""The page of commitments, in several lists.

What belongs here: the page of all lists, and showing one commitment. What does not: finding commitments in
messages (steps/summaries/), and the lists (store/summaries/commitment_lists.py).
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlencode

from starlette.responses import Response

from whatsapp_pipeline import clock
from whatsapp_pipeline.console.addresses import customer_address, message_address
from whatsapp_pipeline.console.list_cursors import commitment_cursor, parse_commitment_cursor
from whatsapp_pipeline.console.page import Page
from whatsapp_pipeline.steps.summaries.commitment_words import commitment_line, whose_commitment
from whatsapp_pipeline.store.summaries.commitment_lists import (
    CommitmentLine,
    CommitmentList,
    commitment_counts,
    commitment_lines,
)

_LISTED = 50
LISTS: tuple[CommitmentList, ...] = ("waiting", "due", "overdue", "quotes", "broken", "open")


class ShownCommitment(NamedTuple):
    """A commitment as pages show it. `customer` is None if the customer is not known."""

    name: str
    text: str
    customer: str | None
    message: str


def shown_commitment(line: CommitmentLine) -> ShownCommitment:
    """Return a commitment as pages show it."""
    return ShownCommitment(
        whose_commitment(line),
        commitment_line(line),
        None if line.id_contato is None else customer_address(line.id_contato),
        message_address(f"{line.source}:{line.message_id}", customer=line.id_contato),
    )


def show_commitments(page: Page) -> Response:
    """Show the list in the address; without a known list, show `waiting`."""
    which = next((one for one in LISTS if one == page.text("list")), LISTS[0])
    today = clock.today()
    found = commitment_lines(
        page.conn, which, today=today, limit=_LISTED + 1, after=parse_commitment_cursor(page.text("after"))
    )
    more = None
    if len(found) > _LISTED:
        more = urlencode({"list": which, "after": commitment_cursor(found[_LISTED - 1].place(which))})
    return page.render(
        "commitments_page.html",
        lists=LISTS,
        which=which,
        commitments=[shown_commitment(line) for line in found[:_LISTED]],
        counts=commitment_counts(page.conn, today=today),
        more=f"/commitments?{more}" if more else None,
        is_first=not page.text("after"),
    )
