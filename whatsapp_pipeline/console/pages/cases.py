"""Open cases: who waits, for how long in business hours, and taking care of one."""

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
"""For how many days a case can be handled."""


@dataclass(frozen=True, slots=True)
class ShownCases:
    """The list as the home page shows it; `hours` are business hours by customer."""

    cases: list[OpenCase]
    hours: dict[int, int]
    waiting: bool
    handled: bool
    more: str | None
    """The address of the following cases."""
    first: str | None
    """The address of the list's beginning, where this is not it."""


def read_cases(page: Page) -> ShownCases:
    """Return the cases that the address asks for: `waiting=1`, `handled=1`, those that follow `cases`."""
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
    """Take care of a case for some days."""
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
    """Bring a case back."""
    reopen_case(page.conn, page.number("id"))
    return page.redirect("/")
