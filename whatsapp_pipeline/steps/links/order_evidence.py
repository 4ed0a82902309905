"""The current order model: fitted on the company's own sessions, or the model that comes with the package.

What belongs here: deciding when to fit and on which sessions, and counting the messages of the sessions'
contacts. What does not: the model itself (domain/matching/order_model.py, order_fitting.py).
"""

from __future__ import annotations

import logging
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace

from whatsapp_pipeline import clock
from whatsapp_pipeline.domain.matching.order_fitting import ENOUGH, fit_orders, quarter_begin
from whatsapp_pipeline.domain.matching.order_model import ORDER_MODEL_VERSION, default_model
from whatsapp_pipeline.domain.matching.orders import Order, OrderModel, SessionToLink, with_title
from whatsapp_pipeline.domain.vocabulary import find_devices
from whatsapp_pipeline.logs import fields
from whatsapp_pipeline.store.connection import Connection
from whatsapp_pipeline.store.links import models
from whatsapp_pipeline.store.links import order_links as store
from whatsapp_pipeline.store.locks import named_lock

# If there are more sessions than this, only every second (third, …) contact is used, because more sessions
# take time and do not improve the model.
_MAX_SESSIONS = 100_000
# A model is fitted again when the number of its sessions has changed by this share.
_CHANGED_SHARE = 0.05


def order_model(conn: Connection, *, refit: bool, log: logging.Logger) -> OrderModel:
    """Return the newest fitted model, after fitting a new one if that is needed.

    A model is fitted on the linked sessions before the current quarter. So the newest months, which grow
    every day, do not make all other months stale. A new model is needed if there is none, or if the number of
    these sessions has changed by more than `_CHANGED_SHARE` since the fit. But while chats wait for their
    contact links, no model is fitted, so that the months that are linked first do not decide for the others.
    With `refit`, a new model is always needed. With fewer than `ENOUGH` sessions, no model is ever fitted.
    Without a fitted model, the model that comes with the package is returned. A new model is an input of
    every month's links, so all months become stale.
    """
    with named_lock(conn, "link_models:orders"):
        current = _current_model(conn)
        count = store.linked_sessions(conn, before=quarter_begin(clock.today()))
        if count >= ENOUGH and (refit or _needs_refit(conn, current, count)):
            return _fit(conn, count, log=log)
    return current or default_model()


def stored_order_model(conn: Connection) -> OrderModel:
    """Return the newest fitted model, or the model that comes with the package, without fitting."""
    return _current_model(conn) or default_model()


def order_model_is_due(conn: Connection) -> bool:
    """Return whether `order_model` would fit a new model without `refit`."""
    count = store.linked_sessions(conn, before=quarter_begin(clock.today()))
    return count >= ENOUGH and _needs_refit(conn, _current_model(conn), count)


def _current_model(conn: Connection) -> OrderModel | None:
    stored = models.newest(conn, "orders")
    return OrderModel.from_json(stored.model) if stored is not None and _is_readable(stored) else None


def _needs_refit(conn: Connection, current: OrderModel | None, count: int) -> bool:
    is_current = current is not None and abs(count - current.sessions) <= _CHANGED_SHARE * current.sessions
    return not is_current and not store.has_unlinked_chats(conn)


def _is_readable(stored: models.StoredModel) -> bool:
    return stored.version == str(ORDER_MODEL_VERSION)


def _fit(conn: Connection, count: int, *, log: logging.Logger) -> OrderModel:
    started = time.monotonic()
    before = quarter_begin(clock.today())
    rows = store.past_sessions(conn, every=-(-count // _MAX_SESSIONS), before=before)
    contacts = {row.id_contato for row in rows if row.id_contato is not None}
    orders = by_contact(to_orders(store.orders_of(conn, contacts)))
    model = fit_orders(to_sessions(rows, orders), orders, store.span(conn, before=before))
    model = replace(model, sessions=count)
    models.save(
        conn,
        "orders",
        version=str(model.version),
        seed=0,
        contacts=len(contacts),
        overrides=0,
        model=model.to_json(),
        reliability=[asdict(band) for band in model.reliability],
    )
    log.info(
        "fitted the order model on %d sessions of %d contacts in %.1f s; calibration error %.3f",
        len(rows),
        len(contacts),
        time.monotonic() - started,
        model.calibration_error,
        extra=fields(
            counts={"sessions": len(rows), "contacts": len(contacts)},
            calibration_error=round(model.calibration_error, 4),
        ),
    )
    # The stored model is read, so that this run and later runs use exactly the same numbers.
    return OrderModel.from_json(model.to_json())


def to_orders(rows: Iterable[store.OrderRow]) -> list[Order]:
    """Convert rows to the orders that linking uses."""
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
    """Convert rows to the sessions that linking uses.

    If a chat has only one session, the chat's title is evidence for that session.
    """
    of_chat = Counter(row.id_chat_file for row in rows)
    found = []
    for row in rows:
        session = SessionToLink(
            row.id,
            row.id_contato,
            row.first_day,
            row.last_day,
            tuple(number.lstrip("0") for number in row.order_numbers),
            tuple(row.devices),
            tuple(row.stages),
            row.title_number,
            tuple(row.title_devices),
        )
        alone = of_chat[row.id_chat_file] == 1
        found.append(with_title(session, orders.get(row.id_contato or -1, [])) if alone else session)
    return found
