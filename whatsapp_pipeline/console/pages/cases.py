"""Open cases: the list with the business hours of waiting, and marking a case as handled."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlencode

from starlette.responses import Response

from whatsapp_pipeline.console.error_pages import PageError
from whatsapp_pipeline.console.list_cursors import case_cursor, parse_case_cursor
from whatsapp_pipeline.console.page import Page
from whatsapp_pipeline.domain.summaries.metrics import business_hours_between
from whatsapp_pipeline.store.contacts.directory import customer_names
from whatsapp_pipeline.store.operations.cases import OpenCase, handle_case, open_cases, reopen_case

_LISTED = 20
DAYS = (1, 3, 7, 30)
"""The numbers of days for which a case can be marked as handled."""


@dataclass(frozen=True, slots=True)
class ShownCases:
    """The list on the home page. `hours` are the business hours since the case was opened, by customer id."""

    cases: list[OpenCase]
    hours: dict[int, int]
    waiting: bool
    handled: bool
    more: str | None
    """The address of the next cases; None if there are no more."""
    first: str | None
    """The address of the first page of the list; None on the first page."""


def read_cases(page: Page) -> ShownCases:
    """Return the cases for the parameters `waiting=1`, `handled=1` and `cases` (the cursor)."""
    waiting, handled = page.text("waiting") == "1", page.text("handled") == "1"
    after = parse_case_cursor(page.text("cases"))
    now = page.now.replace(tzinfo=None)
    found = open_cases(page.conn, waiting=waiting, handled=handled, limit=_LISTED + 1, after=after)
    shown = found[:_LISTED]
    hours = {case.id_contato: business_hours_between(case.open_since, now) for case in shown}
    chosen = {name: "1" for name, is_on in (("waiting", waiting), ("handled", handled)) if is_on}
    more = None
    if len(found) > _LISTED:
        last = case_cursor(shown[-1].open_since, shown[-1].id_contato)
        more = f"/?{urlencode({**chosen, 'cases': last})}#cases"
    first = None if after is None else f"/?{urlencode(chosen)}" if chosen else "/"
    return ShownCases(shown, hours, waiting, handled, more, first)


def handle(page: Page) -> Response:
    """Mark a case as handled for some days."""
    number = page.number("id")
    fields = page.form()
    days = fields.get("days", "")
    if not customer_names(page.conn, [number]):
        raise PageError("not_found")
    if days not in map(str, DAYS):
        raise PageError("bad_request")
    note = page.clean(fields.get("note", ""), longest=500)
    until = page.now.date() + timedelta(days=int(days))
    handle_case(page.conn, number, until=until, note=note, made_by=page.visitor.name)
    return page.redirect("/")


def reopen(page: Page) -> Response:
    """Show a handled case in the list again."""
    reopen_case(page.conn, page.number("id"))
    return page.redirect("/")
