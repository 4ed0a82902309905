"""The order model: match weights of an order from the time of a session, its words and its devices.

What belongs here: orders and sessions, the numbers of the model, and the reasons it gives. What does not:
fitting the numbers (order_fitting.py) and decisions (orders.py).

The sessions of a contact are a mixture of small talk, which comes at a steady rate, and of sessions about
each order, whose rate depends on the day in the order's life. The odds of an order against small talk are the
ratio of the two rates on that day, multiplied by the likelihood ratios of the words and devices. All orders
of the contact and "none" share one denominator.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from functools import cache, cached_property, lru_cache
from importlib.resources import files

from whatsapp_pipeline.domain.matching.link_types import Feature, ReliabilityBand
from whatsapp_pipeline.domain.vocabulary import BRANDS

ORDER_MODEL_VERSION = 3
# Orders with more days than these between them and a session are no candidates.
DAYS_BEFORE, DAYS_AFTER = 30, 60
# Default rate of small talk, in sessions per day: four a year.
USUAL_RATE = 4 / 365
# Rate of sessions on a day too far from the order, used when the session names its number.
_FAR_RATE = 1e-5
# These weights are not fitted: the model sees few sessions with a number, and no titles.
_NUMBER_OTHER, _TITLE_SAME, _TITLE_OTHER = -3.0, 2.0, -1.0

_BEFORE = ((30, 16), (15, 8), (7, 4), (3, 3), (2, 2), (1, 1))
_AFTER = ((1, 1), (2, 2), (3, 3), (4, 5), (6, 7), (8, 10), (11, 15), (16, 30), (31, 60))
_STILL_OPEN = ((1, 1), (2, 3), (4, 7), (8, 15), (16, 30), (31, 60), (61, 120))
_STAYS = (5, 8, 14, 24, 45, 90)

# The zone of each time in an order's life. A zone is a longer period in which sessions have similar words.
ZONE_OF: dict[str, str] = (
    {f"before_{first}": "arrival" for first, _ in _BEFORE}
    | {"opening": "arrival", "same_day": "same_day", "closing": "leaving"}
    | {f"stay_{days}": "repair" for days in (2, 3, 4, 5)}
    | {f"{part}_{days}": "repair" for part in ("first", "middle", "last") for days in (*_STAYS[1:], 91)}
    | {f"after_{first}": "leaving" if first < 4 else "afterwards" for first, _ in _AFTER}
    | {f"open_{first}": "repair" if first == 1 else "unclosed" for first, _ in _STILL_OPEN}
)
TIMES = tuple(ZONE_OF)
ZONES = tuple(dict.fromkeys(ZONE_OF.values()))
# Number of distinguished counts of other sessions about an order in one zone: 0, 1, … REPEATS - 1 or more.
REPEATS = 4
STAGES = ("no_words", "opening_words", "closing_words", "both_words")


@dataclass(frozen=True, slots=True)
class Order:
    """A service order; `devices` are the devices and brands named in its equipment."""

    id: int
    number: str
    id_contato: int | None
    opened: date | None
    closed: date | None = None
    devices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SessionToLink:
    """A session with the evidence in its chat.

    `numbers` are the order numbers in its messages. `title_number` is the one in the chat's title, if any
    (see orders.with_title).
    """

    id: int
    id_contato: int | None
    first_day: date
    last_day: date
    numbers: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    title_number: str | None = None
    title_devices: tuple[str, ...] = ()
    unrelated_rate: float = USUAL_RATE
    """Small talk of this contact, in sessions per day (see order_fitting.with_rates)."""
    others: Mapping[int, float] = field(default_factory=dict)
    """Order id → expected number of the contact's other sessions about it in the same zone."""


@dataclass(frozen=True)
class OrderModel:
    """The numbers of the mixture; order_fitting.fit_orders finds them.

    `rates`: sessions per day about an order, by time (TIMES). `stages`: probability of each of STAGES, by
    zone and for "none". `device_said`: probability that a session about an order names a device;
    `device_same`: that it is the order's device; `device_none`: that small talk names a device. `named`:
    probability that a session names its order's number. `small_talk`, `small_talk_shape`: mean and shape of
    the distribution of small talk over contacts, in sessions per day. `spell_shape`: shape of its variation
    within one contact over time.
    """

    rates: Mapping[str, float]
    stages: Mapping[str, tuple[float, ...]]
    device_said: float = 0.3
    device_same: float = 0.9
    device_none: float = 0.05
    device_shares: Mapping[str, float] = field(default_factory=dict)
    """Share of the orders that name each device; it gives the probability of a match by chance."""
    named: float = 0.05
    small_talk: float = USUAL_RATE
    small_talk_shape: float = 1.0
    spell_shape: float = 3.0
    months: Mapping[str, float] = field(default_factory=dict)
    """Month ("2025-01") → factor of the rate of sessions about orders; archives have gaps."""
    quiet_months: Mapping[str, float] = field(default_factory=dict)
    """The same factor for small talk."""
    span: tuple[str, str] | None = None
    """First and last day of the sessions that the model was fitted on (ISO)."""
    repeats: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Zone → log odds of one more session beside 0, 1, 2 … others (see order_repeats.py)."""
    sessions: int = 0
    calibration_error: float = 0.0
    reliability: tuple[ReliabilityBand, ...] = ()
    version: int = ORDER_MODEL_VERSION

    @cached_property
    def reasons(self) -> _Reasons:
        """Cached reasons of this model, see the function `reasons`."""
        return _Reasons(self)

    def to_json(self) -> str:
        """Return the model as JSON; `from_json` reads it back unchanged."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> OrderModel:
        """Read a model; raises ValueError, KeyError or TypeError for any other text or version."""
        values = json.loads(text)
        if values["version"] != ORDER_MODEL_VERSION:
            raise ValueError(f"order model of version {values['version']}")
        values["stages"] = {zone: tuple(chances) for zone, chances in values["stages"].items()}
        values["repeats"] = {zone: tuple(odds) for zone, odds in values.get("repeats", {}).items()}
        values["span"] = None if values["span"] is None else tuple(values["span"])
        values["reliability"] = tuple(ReliabilityBand(**band) for band in values["reliability"])
        model = cls(**values)
        if set(model.rates) != set(TIMES) or set(model.stages) != {*ZONES, "none"}:
            raise ValueError("order model of other times or zones")
        return model


@cache
def default_model() -> OrderModel:
    """Return the shipped model, which `bench/link/orders.py --fit` writes."""
    return OrderModel.from_json((files(__package__) / "order_weights.json").read_text(encoding="utf-8"))


@lru_cache(maxsize=4096)
def times_around_order(length: int | None) -> tuple[str, ...]:
    """Return the time of each day around an order that was open for `length` days (None: it is not closed).

    The first day is `DAYS_BEFORE` days before the opening.
    """
    days = [f"before_{first}" for first, last in _BEFORE for _ in range(first - last + 1)]
    after = _STILL_OPEN if length is None else _AFTER
    if length is None:
        days += ["opening"]
    elif length == 0:
        days += ["same_day"]
    else:
        days += ["opening", *_stay(length), "closing"]
    name = "open" if length is None else "after"
    return tuple(days + [f"{name}_{first}" for first, last in after for _ in range(last - first + 1)])


def _stay(length: int) -> list[str]:
    """Return the times of the days between opening and closing."""
    if length <= _STAYS[0]:
        return [f"stay_{length}"] * (length - 1)
    size = next((limit for limit in _STAYS if length <= limit), 91)
    return [f"first_{size}"] * 2 + [f"middle_{size}"] * (length - 4) + [f"last_{size}"]


def length_of(order: Order) -> int | None:
    """Return the number of days the order was open; 0 if its dates contradict each other."""
    if order.opened is None or order.closed is None:
        return None
    return max((order.closed - order.opened).days, 0)


def time_of(session: SessionToLink, order: Order) -> str | None:
    """Return the time in the order's life at which the session was; None if it is too far away."""
    if order.opened is None:
        return None
    first, last = (session.first_day - order.opened).days, (session.last_day - order.opened).days
    length = length_of(order)
    # For a session of several days, take the day of the opening, otherwise the day of the closing. If it has
    # neither day, take the day nearest to the opening.
    day = 0 if first < 0 <= last else last if last < 0 else first
    if length is not None and first < length <= last and day != 0:
        day = length
    times = times_around_order(length)
    return times[day + DAYS_BEFORE] if 0 <= day + DAYS_BEFORE < len(times) else None


def stage_of(session: SessionToLink) -> str:
    """Return which of STAGES a session has."""
    return STAGES[("opening" in session.stages) + 2 * ("closing" in session.stages)]


def device_of(session: SessionToLink, order: Order) -> str:
    """Compare the devices that are named: device_same, device_other, device_unknown, device_unsaid.

    A device of the same kind and another brand is another device.
    """
    return _compare_devices(session.devices or session.title_devices, order.devices)


@lru_cache(maxsize=4096)
def _compare_devices(said: tuple[str, ...], owned: tuple[str, ...]) -> str:
    if not said:
        return "device_unsaid"
    if not owned:
        return "device_unknown"
    said_kinds, owned_kinds = ({d for d in devices if d not in BRANDS} for devices in (said, owned))
    said_brands, owned_brands = set(said) - said_kinds, set(owned) - owned_kinds
    kinds_agree = bool(said_kinds & owned_kinds) or not (said_kinds and owned_kinds)
    brands_agree = bool(said_brands & owned_brands) or not (said_brands and owned_brands)
    same = kinds_agree and brands_agree and bool(set(said) & set(owned))
    return "device_same" if same else "device_other"


def chance_of(said: Sequence[str], model: OrderModel) -> float:
    """Return the probability that an order has one of the named devices by chance."""
    kinds = [device for device in said if device not in BRANDS] or said
    return min(max(math.fsum(model.device_shares.get(device, 0.05) for device in kinds), 0.02), 0.9)


def device_weights(model: OrderModel, chance: float) -> dict[str, float]:
    """Return the match weight of each outcome of `device_of`."""
    said = model.device_said / model.device_none
    return {
        "device_unsaid": math.log((1 - model.device_said) / (1 - model.device_none)),
        "device_unknown": math.log(said),
        "device_same": math.log(said * model.device_same / chance),
        "device_other": math.log(said * (1 - model.device_same) / (1 - chance)),
    }


def fixed_weights(session: SessionToLink, order: Order) -> dict[str, float]:
    """Return the match weights of the order numbers in the messages or in the title."""
    if session.numbers:
        return {"number_same": 0.0} if order.number in session.numbers else {"number_other": _NUMBER_OTHER}
    if session.title_number:  # a chat has one title, and sessions about several orders
        same = order.number == session.title_number
        return {"title_same": _TITLE_SAME} if same else {"title_other": _TITLE_OTHER}
    return {}


def month_factor(factors: Mapping[str, float], month: str) -> float:
    """Return the month's factor; a month outside the known ones has that of the nearest known month."""
    if not factors:
        return 1.0
    return factors.get(month) or factors[min(max(month, min(factors)), max(factors))]


def reasons(session: SessionToLink, order: Order, model: OrderModel) -> Iterator[Feature]:
    """Yield the reasons for and against the order; their weights add up to its log odds against none."""
    known, time = model.reasons, time_of(session, order)
    yield known.when(time, session.first_day.year, session.first_day.month)
    rate = session.unrelated_rate
    yield _reason("small_talk", rate, math.log(USUAL_RATE / rate))
    yield known.device(device_of(session, order), session.devices or session.title_devices)
    if time is not None:
        yield known.stage(stage_of(session), ZONE_OF[time])
    if not session.numbers:
        yield known.number_unsaid
    if time is not None and model.repeats and order.id in session.others:
        yield known.repeats(ZONE_OF[time], session.others[order.id])
    for name, weight in fixed_weights(session, order).items():
        yield _reason(name, 1.0, weight)


class _Reasons:
    """The reasons of one model. Except for `repeats`, they have few different values, which are cached."""

    def __init__(self, model: OrderModel) -> None:
        self._model = model
        self._found: dict[tuple[object, ...], Feature] = {}
        self.number_unsaid = _reason("number_unsaid", 1.0, math.log(1 - model.named))

    def when(self, time: str | None, year: int, month: int) -> Feature:
        """Return the reason of the time in the order's life and of the month."""
        key = (time, year, month)
        if key not in self._found:
            rate = _FAR_RATE
            if time is not None:
                rate = self._model.rates[time] * month_factor(self._model.months, f"{year:04}-{month:02}")
            self._found[key] = _reason("when", rate, math.log(rate / USUAL_RATE), _time_words(time))
        return self._found[key]

    def device(self, outcome: str, said: tuple[str, ...]) -> Feature:
        """Return the reason of an outcome of `device_of` for these named devices."""
        key = (outcome, said)
        if key not in self._found:
            weights = device_weights(self._model, chance_of(said, self._model))
            self._found[key] = _reason(outcome, 1.0, weights[outcome])
        return self._found[key]

    def repeats(self, zone: str, others: float) -> Feature:
        """Return the reason of the number of other sessions about the order in the same zone."""
        odds = self._model.repeats[zone]
        low = min(int(others), REPEATS - 1)
        part = min(others, REPEATS - 1.0) - low
        weight = odds[low] * (1 - part) + odds[min(low + 1, REPEATS - 1)] * part
        return _reason("other_sessions", others, weight)

    def stage(self, stage: str, zone: str) -> Feature:
        """Return the reason of opening or closing words in a zone."""
        key = (stage, zone)
        if key not in self._found:
            stages, at = self._model.stages, STAGES.index(stage)
            self._found[key] = _reason(stage, 1.0, math.log(stages[zone][at] / stages["none"][at]))
        return self._found[key]


WORDS = {
    "when": "how often people write about an order at such a time",
    "small_talk": "how much the contact writes about no order at all (sessions a day)",
    "device_same": "a device that is named is this order's",
    "device_other": "only other devices are named",
    "device_unknown": "a device is named, and the order names none",
    "device_unsaid": "no device is named",
    "other_sessions": "how many other sessions are about this order at such a time of its life",
    "number_same": "its number is named",
    "number_other": "another order's number is named",
    "number_unsaid": "no number is named",
    "title_same": "its number is in the chat's title",
    "title_other": "another order's number is in the chat's title",
    "no_words": "no words of an opening or a closing",
    "opening_words": "words of an opening, at such a time",
    "closing_words": "words of a closing, at such a time",
    "both_words": "words of an opening and of a closing, at such a time",
}


def _reason(name: str, value: float, weight: float, words: str | None = None) -> Feature:
    return Feature(name, round(value, 4), round(weight, 4), words or WORDS[name])


def _time_words(time: str | None) -> str:
    if time is None:
        return "the order is far away in time"
    name, _, number = time.partition("_")
    if time in ("opening", "same_day", "closing"):
        return f"the session is on the day of the {'closing' if time == 'closing' else 'opening'}"
    if name in ("before", "after", "open"):
        spans = {"before": _BEFORE, "after": _AFTER, "open": _STILL_OPEN}[name]
        first, last = next(span for span in spans if span[0] == int(number))
        days = f"{first} days" if first == last else f"{min(first, last)} to {max(first, last)} days"
        days = "a day" if days == "1 days" else days
        words = {"before": "before the opening", "after": "after the closing"}
        return f"the session is {days} {words.get(name, 'after the opening, and nothing was closed')}"
    part = {"first": ", near the opening", "last": ", on the eve of the closing"}.get(name, "")
    return f"the session lies between opening and closing{part}"
