"""What the order model says of sessions: the fitted model from the database, refitted when it is stale.

What belongs here: when to fit, what on, and what else is known of the contacts whose sessions are linked.
What does not: the model itself (domain/matching/order_model.py, order_fitting.py).
"""

from __future__ import annotations

import logging
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace

from whatsapp_pipeline.domain.matching.order_data import Span
from whatsapp_pipeline.domain.matching.order_fitting import ENOUGH, fit_orders, with_rates
from whatsapp_pipeline.domain.matching.order_model import ORDER_MODEL_VERSION, default_model
from whatsapp_pipeline.domain.matching.orders import Order, OrderModel, SessionToLink, with_title
from whatsapp_pipeline.domain.vocabulary import find_devices
from whatsapp_pipeline.store import models
from whatsapp_pipeline.store import order_links as store
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.locks import named_lock

# A model is stale once there are this share more or fewer sessions than it was fitted on.
_CHANGED_SHARE = 0.2
# More sessions than this add time and no knowledge: every second, third … contact is taken then.
_MOST_SESSIONS = 100_000


def order_model(conn: Connection, *, log: logging.Logger) -> OrderModel:
    """Return the newest model, or fit and keep one when there is none that suits the sessions."""
    count = store.linked_sessions(conn)
    if count < ENOUGH:
        return default_model()
    with named_lock(conn, "link_models:orders"):
        stored = models.newest(conn, "orders")
        if stored is not None and stored.version == str(ORDER_MODEL_VERSION):
            model = OrderModel.from_json(stored.model)
            if abs(count - model.sessions) <= _CHANGED_SHARE * max(model.sessions, 1):
                return model
        started = time.monotonic()
        rows = store.history(conn, every=-(-count // _MOST_SESSIONS))
        contacts = {row.id_contato for row in rows if row.id_contato is not None}
        orders = by_contact(to_orders(store.orders_of(conn, contacts)))
        model = fit_orders(to_sessions(rows, orders), orders, store.span(conn))
        model = replace(model, sessions=count)
        models.save(
            conn, "orders", version=str(model.version), seed=0, contacts=len(contacts), overrides=0,
            model=model.to_json(), reliability=[asdict(band) for band in model.reliability],
        )  # fmt: skip
        log.info(
            "fitted the order model on %d sessions of %d contacts in %.1f s; calibration error %.3f",
            len(rows), len(contacts), time.monotonic() - started, model.calibration_error,
        )  # fmt: skip
        # Read back, so that the run that fitted and the runs after it use the very same numbers.
        return OrderModel.from_json(model.to_json())


def days_seen(conn: Connection, model: OrderModel) -> Span | None:
    """Return the days by which to judge how much is written, where the model names none."""
    return store.span(conn) if model.span is None else None


def rated(
    conn: Connection,
    sessions: Sequence[SessionToLink],
    orders: Mapping[int, Sequence[Order]],
    model: OrderModel,
    span: Span | None,
) -> list[SessionToLink]:
    """Add to each session how much its contact writes, judged by all that the database holds of the contact.

    `orders`: by contact; `span`: see `days_seen`.
    Never by what else is linked in the same run: a month's links don't depend on the month they come with.
    """
    known = {(session.id_contato, session.first_day) for session in sessions}
    contacts = {contact for contact, _ in known if contact is not None}
    others = [
        session
        for session in to_sessions(store.history(conn, contacts=contacts), orders)
        if (session.id_contato, session.first_day) not in known
    ]
    return with_rates([*sessions, *others], orders, model, span)[: len(sessions)]


def to_orders(rows: Iterable[store.OrderRow]) -> list[Order]:
    """Read orders as linking sees them."""
    return [
        Order(row.id, row.number, row.id_contato, row.opened, row.closed, tuple(find_devices(row.equipment)))
        for row in rows
    ]


def by_contact(orders: Iterable[Order]) -> dict[int, list[Order]]:
    """Group orders by contact."""
    found: defaultdict[int, list[Order]] = defaultdict(list)
    for order in orders:
        if order.id_contato is not None:
            found[order.id_contato].append(order)
    return dict(found)


def to_sessions(
    rows: Sequence[store.SessionRow], orders: Mapping[int, Sequence[Order]]
) -> list[SessionToLink]:
    """Read sessions as linking sees them; the title of a chat of one session speaks for that session."""
    of_chat = Counter(row.id_chat_file for row in rows)
    found = []
    for row in rows:
        session = SessionToLink(
            row.id, row.id_contato, row.first_day, row.last_day,
            tuple(number.lstrip("0") for number in row.order_numbers), tuple(row.devices),
            tuple(row.stages), row.title_number, tuple(row.title_devices),
        )  # fmt: skip
        alone = of_chat[row.id_chat_file] == 1
        found.append(with_title(session, orders.get(row.id_contato or -1, [])) if alone else session)
    return found
