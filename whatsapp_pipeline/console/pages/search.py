"""Search: customers by a part of a name or phone, orders by their number, messages by their words.

The address contains the whole query, so a search can be saved and sent. The next page begins after the last
hit. If the form names a customer or an order in words (`who`, `os`), the address gets the id, or the page
shows a choice.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from difflib import get_close_matches
from typing import NamedTuple
from urllib.parse import urlencode

from markupsafe import Markup
from starlette.responses import Response

from whatsapp_pipeline.console import words
from whatsapp_pipeline.console.addresses import message_address, order_address
from whatsapp_pipeline.console.message_words import labelled, type_words
from whatsapp_pipeline.console.page import Page, number_or_none
from whatsapp_pipeline.console.pages.order import shown_order
from whatsapp_pipeline.domain.phone_parts import phone_key_parts
from whatsapp_pipeline.domain.vocabulary import fold_ascii
from whatsapp_pipeline.store.chats.search import (
    MARK_END,
    MARK_START,
    MessageSearch,
    PageHit,
    SearchSort,
    find_messages,
    parse_words,
)
from whatsapp_pipeline.store.contacts.directory import (
    customer_names,
    customers_and_orders,
    customers_like,
    order_by_id,
    orders_numbered,
)
from whatsapp_pipeline.templates.render import marked

_PAGE_SIZE = 20
_LISTED = 8
# Largest estimated number of messages with the words. Ranking reads each of them: 30,000 take about 200 ms.
_TOO_COMMON = 30_000
# Minimum similarity of a typed word and the word that replaces it.
_ALIKE = 0.6
_MARKED = re.compile(f"{MARK_START}([^{MARK_END}]*){MARK_END}")
SIDES = ("from", "to", "unsent", "notification")
KINDS = ("image", "audio", "video", "document", "sticker", "contact", "location")


@dataclass(frozen=True, slots=True)
class SearchWords:
    """The search in the address; invalid values are ignored."""

    words: str
    phrase: bool
    since: date | None
    until: date | None
    side: str | None
    customer: int | None
    order: int | None
    kind: str | None
    sort: SearchSort
    after: tuple[float, str, int] | None
    who: str = ""
    """The customer in the form: number, or a part of a name or phone."""
    os: str = ""
    """The number of an order in the form."""

    @property
    def text(self) -> str:
        """The words for the database. An exact phrase is in quotation marks."""
        return '"' + self.words.replace('"', " ") + '"' if self.phrase else self.words

    @property
    def is_narrow(self) -> bool:
        """Return whether the query is limited to one customer or to one order."""
        return self.customer is not None or self.order is not None

    @property
    def without_customer(self) -> str:
        """The address of this query for all customers."""
        return replace(self, customer=None, after=None).address()

    @property
    def without_order(self) -> str:
        """The address of this query for all orders."""
        return replace(self, order=None, after=None).address()

    @property
    def newest_first(self) -> str:
        """The address of this query, sorted by time."""
        return replace(self, sort="date", after=None).address()

    @property
    def has_words(self) -> bool:
        """Return whether there is anything to search."""
        return any(map(str.isalnum, self.words))

    def address(self, after: str | None = None) -> str:
        """Return the address of this query.

        The page begins after the hit `after`, or with the first hit if `after` is None.
        """
        given = {
            "q": self.words,
            "phrase": "1" if self.phrase else "",
            "since": self.since or "",
            "until": self.until or "",
            "side": self.side or "",
            "customer": self.customer or "",
            "order": self.order or "",
            "kind": self.kind or "",
            "sort": self.sort if self.sort == "date" else "",
            "who": self.who,
            "os": self.os,
            "after": after or "",
        }
        return "/search?" + urlencode({name: value for name, value in given.items() if value}, safe=":~")


def show_search(page: Page) -> Response:
    """Show the results."""
    query = _query(page)
    may_read = page.visitor.may("analyst")
    if may_read and (query.who or query.os):
        return _chosen(page, query)
    customers, orders = _people_and_orders(page, query)
    wanted = query.has_words or (query.is_narrow and query.kind is not None)
    found = find_hits(page, query) if may_read and wanted else FoundPage([], None, [])
    hits, following, unknown = found or FoundPage([], None, [])
    page.record("search", {(hit.id_contato, f"{hit.source}:{hit.chat}") for hit in hits})
    return page.render(
        "search.html",
        query=query,
        scope=_scope_names(page, query) if may_read else None,
        wanted=wanted,
        customers=customers,
        orders=orders,
        hits=[(hit, _address(hit), _snippet(hit)) for hit in hits],
        is_too_common=found is None,
        meant=_meant(query, hits, unknown) if hits and not query.phrase else None,
        next=query.address(following) if following else None,
        sides=SIDES,
        kinds=KINDS,
        choices=None,
        has_more_choices=False,
    )


class _ScopeNames(NamedTuple):
    """The name of the customer and the number of the order to which a search is limited.

    If a name or number is not known, the id is used.
    """

    customer: str
    order: str
    order_path: str


def _scope_names(page: Page, query: SearchWords) -> _ScopeNames:
    customer, order = str(query.customer), None
    if query.customer is not None:
        customer = customer_names(page.conn, [query.customer]).get(query.customer) or customer
    if query.order is not None:
        order = order_by_id(page.conn, query.order, with_device=False)
    number = order.numero if order else None
    path = order_address(number, query.order) if query.order is not None else ""
    return _ScopeNames(customer, number or str(query.order), path)


class FoundPage(NamedTuple):
    """One page of hits, the place of the next page, and the typed words that no message contains."""

    hits: list[PageHit]
    following: str | None
    unknown: list[str]


def find_hits(page: Page, query: SearchWords) -> FoundPage | None:
    """Return one page of hits; None if too many messages contain the words."""
    parsed = parse_words(page.conn, query.text if query.has_words else "", estimate=_needs_estimate(query))
    if (parsed.estimate or 0) > _TOO_COMMON:
        return None
    hits = find_messages(page.conn, _message_search(query), parsed)
    if len(hits) <= _PAGE_SIZE:
        return FoundPage(hits, None, parsed.unknown)
    last = hits[_PAGE_SIZE - 1]
    return FoundPage(hits[:_PAGE_SIZE], f"{last.score!r}~{last.source}:{last.message_id}", parsed.unknown)


def _meant(query: SearchWords, hits: Sequence[PageHit], unknown: Sequence[str]) -> SearchWords | None:
    """Return the query with its unknown words replaced by similar words of the hits.

    None if every word is known, or if an unknown word has no similar word.
    """
    found = {fold_ascii(word): word.lower() for hit in hits for word in _MARKED.findall(hit.snippet)}
    typed = query.words
    for word in re.findall(r"\w+", query.words):
        if fold_ascii(word) not in unknown:
            continue
        alike = get_close_matches(fold_ascii(word), found, n=1, cutoff=_ALIKE)
        if not alike:
            return None
        typed = re.sub(rf"\b{re.escape(word)}\b", found[alike[0]].replace("\\", r"\\"), typed)
    return replace(query, words=typed, after=None) if typed != query.words else None


def _chosen(page: Page, query: SearchWords) -> Response:
    """Answer a form that names a customer or an order in words.

    If exactly one customer or order fits, the browser is redirected to the search in it. Otherwise the page
    shows the customers or orders to choose from.
    """
    choices: list[tuple[str, str]] | None = None
    has_more = False
    if query.who:
        named = customers_named(page, query.who, limit=_LISTED + 1)
        has_more = len(named) > _LISTED
        customers = [
            (
                replace(query, who="", customer=id_),
                f"{name or words.NO_NAME} ({words.CUSTOMER_NUMBER.lower()} {id_})",  # names are not unique
            )
            for id_, name in named[:_LISTED]
        ]
        query, choices = _narrowed(customers, query)
    if query.os and choices is None:
        numbered = orders_numbered(page.conn, query.os, with_device=False) if query.os.strip("#0 ") else []
        orders = [
            (
                replace(query, os="", order=one.id),
                f"{words.ORDER_NUMBER} {one.numero}: {one.nome or words.NO_NAME}",
            )
            for one in numbered
        ]
        query, choices = _narrowed(orders, query)
    if choices is None:
        return page.redirect(query.address())
    return page.render(
        "search.html",
        query=query,
        scope=_scope_names(page, query),
        wanted=False,
        customers=[],
        orders=[],
        hits=[],
        is_too_common=False,
        meant=None,
        next=None,
        sides=SIDES,
        kinds=KINDS,
        choices=choices,
        has_more_choices=has_more,
    )


def customers_named(page: Page, who: str, *, limit: int = _LISTED) -> list[tuple[int, str | None]]:
    """Return id and name of the customers that the form may mean.

    For an existing id, only that customer is returned.
    """
    number = None if who.startswith("0") else number_or_none(who)
    if number is not None and (names := customer_names(page.conn, [number])):
        return list(names.items())
    if not any(map(str.isalnum, who)):
        return []
    found = customers_like(page.conn, who, phone_key_parts(who), with_phones=True, limit=limit)
    return [(one.id, one.nome) for one in found]


def _narrowed(
    candidates: list[tuple[SearchWords, str]], query: SearchWords
) -> tuple[SearchWords, list[tuple[str, str]] | None]:
    """Return the only candidate and None; otherwise the query and the candidates, each with its address."""
    if len(candidates) == 1:
        return candidates[0][0], None
    return query, [(narrowed.address(), name) for narrowed, name in candidates]


def _query(page: Page) -> SearchWords:
    sort: SearchSort = "date" if page.text("sort") == "date" else "rank"
    after = re.fullmatch(
        r"(\d{1,3}(?:\.\d{1,20})?(?:e-?\d{1,3})?)~(chat|webhook):(\d{1,18})", page.text("after")
    )
    return SearchWords(
        words=page.text("q"),
        phrase=page.text("phrase") == "1",
        since=page.day("since"),
        until=page.day("until"),
        side=page.text("side") if page.text("side") in SIDES else None,
        customer=number_or_none(page.text("customer")),
        order=_order_id(page),
        kind=page.text("kind") if page.text("kind") in KINDS else None,
        sort=sort,
        after=(float(after[1]), after[2], int(after[3])) if after else None,
        who=page.text("who"),
        os=page.text("os", longest=40),
    )


def _order_id(page: Page) -> int | None:
    return number_or_none(page.text("order"))


def _people_and_orders(page: Page, query: SearchWords) -> tuple[list[object], list[object]]:
    """Return the customers and orders for the words.

    Both lists are empty on later pages, and in a search that is limited to one customer or order.
    """
    if not query.has_words or query.is_narrow or query.after is not None:
        return [], []
    may_read = page.visitor.may("analyst")
    parts = phone_key_parts(query.words) if may_read else []
    number = query.words.strip().lstrip("#").strip()
    is_number = re.fullmatch(r"(?:os\s*:?\s*)?#?(\w{1,20})", number, re.IGNORECASE)
    if not (is_number and re.search(r"\d", number) and is_number[1].strip("0")):
        customers = customers_like(page.conn, query.words, parts, with_phones=may_read, limit=_LISTED + 1)
        return list(customers), []
    customers, orders = customers_and_orders(
        page.conn, query.words, parts, is_number[1], with_private=may_read, limit=_LISTED + 1
    )
    return list(customers), [shown_order(order) for order in orders[:_LISTED]]


def _needs_estimate(query: SearchWords) -> bool:
    """Return whether there may be too many messages with the words to rank them quickly."""
    is_in_a_period = query.since is not None and query.until is not None
    return query.sort == "rank" and not query.is_narrow and not is_in_a_period


def _message_search(query: SearchWords) -> MessageSearch:
    def start(day: date) -> datetime:
        return datetime(day.year, day.month, day.day)

    last = date.max - timedelta(days=1)
    return MessageSearch(
        words=query.text if query.has_words else "",
        sort=query.sort,
        contact=query.customer,
        order=query.order,
        since=start(query.since) if query.since else None,
        until=start(min(query.until, last) + timedelta(days=1)) if query.until else None,
        side=query.side,
        attachment=query.kind,
        after=query.after,
        limit=_PAGE_SIZE,
    )


def _snippet(hit: PageHit) -> Markup:
    """Return the text around the words in a message, or the kind of the message if it has no text."""
    text = labelled(hit.source, hit.snippet) or f"[{type_words(hit.type)}]"
    return marked(text, MARK_START, MARK_END)


def _address(hit: PageHit) -> str:
    return message_address(f"{hit.source}:{hit.message_id}", customer=hit.id_contato)
