"""Invented service orders: devices, faults, prices, and the dates of a repair.

What belongs here: an order and its life from opening to pick-up. What does not: conversations about it
(`dialogue`), and the pages of the ERP (`pages`).
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple


class Device(NamedTuple):
    """A kind of device: its word and the gender of the word, its models, usual faults and prices."""

    word: str
    feminine: bool
    models: tuple[str, ...]
    faults: tuple[str, ...]
    price: tuple[int, int]


_COMPUTER_FAULTS = (
    "não liga mais",
    "está muito lento",
    "fica reiniciando sozinho",
    "não carrega a bateria",
    "superaquece e desliga",
    "dá tela azul",
    "caiu água no teclado",
    "não conecta no wi-fi",
    "faz um barulho estranho na ventoinha",
    "está com o HD travando",
)
_PHONE_FAULTS = (
    "está com a tela trincada",
    "não carrega",
    "a bateria não dura nada",
    "caiu na água",
    "o microfone não funciona",
    "travou na tela de início",
    "a câmera traseira está embaçada",
    "não reconhece o chip",
)
DEVICES: Final = (
    Device(
        "notebook",
        False,
        (
            "Dell Inspiron 15",
            "Lenovo IdeaPad 3",
            "Acer Aspire 5",
            "Samsung Book",
            "HP 256 G8",
            "Asus VivoBook",
        ),
        _COMPUTER_FAULTS,
        (180, 1200),
    ),
    Device("iPhone", False, ("11", "12", "13 Pro", "XR", "SE", "14"), _PHONE_FAULTS, (250, 1600)),
    Device(
        "celular",
        False,
        ("Samsung A54", "Motorola G60", "Xiaomi Redmi Note 11", "Samsung S21"),
        _PHONE_FAULTS,
        (120, 780),
    ),
    Device(
        "computador", False, ("i5 8GB", "Gamer Ryzen 5", "HP Compaq", "montado"), _COMPUTER_FAULTS, (120, 900)
    ),
    Device(
        "impressora",
        True,
        ("Epson L3250", "HP DeskJet 2774", "Epson L395", "Brother DCP"),
        (
            "não puxa o papel",
            "está imprimindo tudo borrado",
            "não reconhece o cartucho",
            "dá erro de absorvedor",
            "não conecta no computador",
        ),
        (90, 420),
    ),
    Device("tablet", False, ("Samsung Tab A8", "iPad 9", "Positivo Twist"), _PHONE_FAULTS, (150, 700)),
    Device(
        "TV",
        True,
        ("LG 50", "Samsung 43", "TCL 32"),
        (
            "liga mas não tem imagem",
            "está com uma faixa escura na tela",
            "não liga, só pisca a luz",
            "ficou sem som",
        ),
        (220, 980),
    ),
    Device(
        "videogame",
        False,
        ("PlayStation 4", "Xbox One", "PlayStation 5"),
        ("não lê os discos", "desliga durante o jogo", "não dá imagem na TV", "superaquece"),
        (150, 650),
    ),
    Device("MacBook", False, ("Air M1", "Pro 2015", "Air 2017"), _COMPUTER_FAULTS, (350, 2400)),
    Device(
        "monitor",
        False,
        ("LG 24", "AOC 22", "Samsung curvo"),
        ("não liga", "está com linhas na tela", "a imagem fica piscando"),
        (100, 390),
    ),
)
_DEVICE_SHARES = (30, 16, 20, 10, 8, 4, 4, 3, 3, 2)
TECHNICIANS: Final = ("Anderson", "Marcos", "Juliano", "Rafael")
CATEGORIES: Final = ((11, "Informática"), (12, "Celulares"), (13, "Impressoras"), (14, "TV e áudio"))
FIRST_ID: Final = 820_000_011
FIRST_NUMBER: Final = 30_001


@dataclass(slots=True)
class SampleOrder:
    """A service order; amounts are in reais. `number_orders` sets `id` and `number`."""

    person: int
    device: Device
    model: str
    fault: str
    opened: datetime
    promised: date
    closed: date | None
    situacao: str
    services: float
    parts: float
    discount: str
    technician: str
    serial: str
    id: int = 0
    number: str = ""

    @property
    def equipment(self) -> str:
        """The text of the equipment: `notebook Dell Inspiron 15`."""
        return f"{self.device.word} {self.model}"

    @property
    def total(self) -> float:
        """Sum of services and parts, in reais."""
        return round(self.services + self.parts, 2)


def pick_device(rng: random.Random) -> tuple[Device, str]:
    """Draw a device and a model."""
    device = rng.choices(DEVICES, _DEVICE_SHARES)[0]
    return device, rng.choice(device.models)


def make_order(rng: random.Random, person: int, opened: datetime, last_day: datetime) -> SampleOrder:
    """Invent an order opened at `opened`; it is still open if it would be closed after `last_day`."""
    device, model = pick_device(rng)
    low, high = device.price
    services = round(rng.triangular(low, high, low * 1.3) / 5) * 5.0
    parts = round(rng.triangular(30, high * 0.7, 90) / 5) * 5.0 if rng.random() < 0.55 else 0.0
    closed: date | None = (opened + timedelta(days=2 + int(rng.expovariate(1 / 6)))).date()
    if closed is not None and closed > last_day.date():
        closed = None
    if closed is None:
        situacao = rng.choice(("0", "1", "5", "6", "2"))
    else:
        situacao = rng.choices(("3", "4", "7"), (85, 11, 4))[0]
    discount = rng.choice(("10%", "5%", "20,00", "170,00")) if rng.random() < 0.15 else "0,00"
    return SampleOrder(
        person=person,
        device=device,
        model=model,
        fault=rng.choice(device.faults),
        opened=opened,
        promised=(opened + timedelta(days=rng.randint(3, 8))).date(),
        closed=closed,
        situacao=situacao,
        services=services,
        parts=parts,
        discount=discount,
        technician=rng.choice(TECHNICIANS),
        serial=f"SN{rng.randint(0, 16**8 - 1):08X}" if rng.random() < 0.6 else "",
    )


def number_orders(rng: random.Random, orders: list[SampleOrder]) -> None:
    """Sort `orders` by opening and set their ids and numbers; about 0.3 % repeat the previous number."""
    orders.sort(key=lambda order: (order.opened, order.person))
    number = FIRST_NUMBER
    for position, order in enumerate(orders):
        order.id = FIRST_ID + position * 3
        if position and rng.random() < 0.003:
            order.number = orders[position - 1].number
        else:
            order.number = str(number)
            number += 1
