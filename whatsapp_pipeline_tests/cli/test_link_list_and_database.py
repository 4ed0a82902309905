"""The list command and the database: the same titles, contacts and orders give the same decisions.

What belongs here: generated titles of every kind, linked both ways. What does not: whether a decision is
right (domain/matching) and what the files may look like (test_linking_commands.py).
"""

from __future__ import annotations

import csv
import logging
import random
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner

from whatsapp_pipeline.cli.link import link
from whatsapp_pipeline.domain.phones import parse_phone
from whatsapp_pipeline.sandbox import numbers
from whatsapp_pipeline.sandbox.orders import SampleOrder, make_order, number_orders
from whatsapp_pipeline.sandbox.people import NICKNAMES, Registry, SamplePerson, make_people
from whatsapp_pipeline.steps.contacts.normalize_contacts import normalize_contacts
from whatsapp_pipeline.steps.links.link_contacts import ContactLinking, LinkOptions
from whatsapp_pipeline.steps.links.link_orders import OrderLinking, OrderLinkOptions
from whatsapp_pipeline.store.connection import Connection, connect
from whatsapp_pipeline.store.links import models
from whatsapp_pipeline_tests.steps.links.linking_rows import Session, add_chat, add_contact, add_order

pytestmark = pytest.mark.slow

LOG = logging.getLogger(__name__)
AREA = "41"
FIRST_DAY = datetime(2024, 1, 1)
DAYS = 90
KINDS = (
    "phone",
    "phone",
    "without area code",
    "name",
    "first and last",
    "nickname",
    "device",
    "order number",
    "order id",
    "header",
    "other header",
    "stranger",
    "foreign",
    "typo",
)


class Title(NamedTuple):
    """A title of the list; `header` is the phone inside the file, "" where it holds none."""

    text: str
    day: date
    header: str


class Found(NamedTuple):
    """What was decided of a title and of its session; `order` is the best one if likelier than none."""

    status: str
    method: str
    contact: str
    confidence: str
    order_method: str
    order_confidence: str
    order: str


def _write(rng: random.Random, kind: str, person: SamplePerson, order: SampleOrder, near: date) -> Title:
    """Write a title of `kind`; names that other people share are as common as they are in the table."""
    words = [word for word in person.name.split() if word not in {"da", "de", "dos"}]
    short, phone = f"{words[0]} {words[-1]}", numbers.international(person.number)
    other = numbers.international(numbers.mobile(rng))
    header = "55" + numbers.without_ninth_digit(person.number) if rng.random() < 0.3 else ""
    text, header = {
        "phone": (phone, header),
        "without area code": (phone[-10:], ""),
        "name": (person.name, ""),
        "first and last": (short, header),
        "nickname": (f"{NICKNAMES.get(words[0], words[0])} {words[-1]}", ""),
        "device": (f"{words[0]} {order.device.word} {order.model}", ""),
        "order number": (f"{words[0]} OS {order.number}", header),
        "order id": (f"OS {order.id}", ""),
        "header": ("Cliente novo", "55" + person.number),
        "other header": (short, "55" + numbers.mobile(rng)),
        "stranger": (f"{rng.choice(('Zuleica', 'Osmar', 'Ivete'))} {words[-1]} orçamento", ""),
        "foreign": (f"+1 (415) 5{other[-9:]}", ""),
        "typo": (person.name.replace("a", "s", 1), ""),
    }[kind]
    return Title(text, near, header)


def _orders(rng: random.Random, people: Sequence[SamplePerson]) -> list[SampleOrder]:
    last = FIRST_DAY + timedelta(days=DAYS)
    opened = (FIRST_DAY + timedelta(days=rng.randrange(DAYS), hours=9) for _ in range(2 * len(people)))
    orders = [make_order(rng, rng.randrange(len(people)), day, last) for day in opened]
    number_orders(rng, orders)
    return orders


def _titles(
    rng: random.Random, people: Sequence[SamplePerson], orders: Sequence[SampleOrder], count: int
) -> list[Title]:
    found: dict[str, Title] = {}
    while len(found) < count:
        order = rng.choice(orders)
        near = order.opened.date() + timedelta(days=rng.randrange(-4, 20))
        title = _write(rng, rng.choice(KINDS), people[order.person], order, near)
        found.setdefault(title.text, title)  # a title stands once in the list, as a file does in a folder
    return list(found.values())


def _by_list(
    folder: Path, people: Sequence[SamplePerson], orders: Sequence[SampleOrder], titles: Sequence[Title]
) -> dict[str, Found]:
    tables: dict[str, tuple[str, list[tuple[object, ...]]]] = {
        "contacts": (
            "id,nome,fantasia,telefone,celular",
            [(person.id, person.name, "", person.telefone, person.celular) for person in people],
        ),
        "titles": ("title,date,header_phone", [tuple(title) for title in titles]),
        "orders": (
            "id,numero_ordem_servico,id_contato,data_emissao,data_conclusao,equipamento",
            [
                (o.id, o.number, people[o.person].id, o.opened.date(), o.closed or "", o.equipment)
                for o in orders
            ],
        ),
    }
    for name, (head, rows) in tables.items():
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            file.write(head + "\n")
            csv.writer(file).writerows(rows)
    names = [f"--{name}={folder / (name + '.csv')}" for name in (*tables, "out")]
    result = CliRunner(env={"DEFAULT_AREA_CODE": AREA}).invoke(link, names, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    with (folder / "out.csv").open(encoding="utf-8", newline="") as file:
        return {
            row["title"].lstrip("'"): Found(
                row["status"],
                row["method"],
                row["id_contato"],
                row["confidence"],
                row["order_method"],
                row["order_confidence"],
                row["id_ordem_servico"],
            )
            for row in csv.DictReader(file)
        }


def _by_database(
    conn: Connection, people: Sequence[SamplePerson], orders: Sequence[SampleOrder], titles: Sequence[Title]
) -> dict[str, Found]:
    for person in people:
        add_contact(conn, person.id, person.name, person.celular, person.telefone)
    for o in orders:
        add_order(
            conn,
            o.id,
            people[o.person].id,
            number=o.number,
            opened=o.opened.date(),
            closed=o.closed,
            equipment=o.equipment,
        )
    for title in titles:
        header = parse_phone(title.header) if title.header else None
        add_chat(
            conn,
            title.text,
            sessions=(Session(title.day),),
            month=f"{title.day:%Y-%m}",
            headers=((title.header, header.key or ""),) if header else (),
            default_area_code=AREA,
        )
    normalize_contacts(conn, default_area_code=AREA, log=LOG)
    months = sorted({f"{title.day:%Y-%m}" for title in titles})
    contact_linking = ContactLinking(LinkOptions(default_area_code=AREA), log=LOG)
    order_linking = OrderLinking(OrderLinkOptions(), log=LOG)
    for month in months:
        contact_linking.link(conn, month)
    for month in months:
        order_linking.link(conn, month)
    rows = conn.execute(
        """SELECT f.title, f.match_status, coalesce(f.match_method, ''), coalesce(m.id_contato::text, ''),
                  coalesce(to_char(m.confidence, 'FM0.000000'), ''), coalesce(s.order_match_method, ''),
                  coalesce(to_char(s.order_match_confidence, 'FM0.000000'), ''),
                  coalesce(o.id_ordem_servico::text, '')
           FROM chat_files f JOIN chat_sessions s ON s.id_chat_file = f.id
           LEFT JOIN match_candidates m ON m.id_chat_file = f.id AND m.rank = 1
           LEFT JOIN order_candidates o ON o.id_chat_session = s.id AND o.rank = 1
             AND (s.order_match_status = 'linked'
                  OR o.confidence >= 1 - (SELECT sum(confidence) FROM order_candidates a
                                          WHERE a.id_chat_session = s.id))"""
    )
    return {row[0]: Found(*row[1:]) for row in rows}


def test_the_list_command_decides_as_the_database_does(fresh_database_url: str, tmp_path: Path) -> None:
    rng = random.Random(20)
    people = make_people(20, 220, FIRST_DAY, Registry())
    orders = _orders(rng, people)
    titles = _titles(rng, people, orders, 700)
    listed = _by_list(tmp_path, people, orders, titles)
    with connect(fresh_database_url) as conn:
        stored = _by_database(conn, people, orders, titles)
        assert models.newest(conn, "orders") is not None, "too few linked sessions to fit on"
    assert listed.keys() == stored.keys()
    differing = {title: (found, stored[title]) for title, found in listed.items() if found != stored[title]}
    assert not differing
    statuses = {found.status for found in stored.values()}
    assert statuses == {"linked", "proposed", "ambiguous", "unmatched"}
    methods = {found.order_method for found in stored.values()}
    assert methods >= {"direct_os_ref", "temporal_match", "equipment_match", ""}
