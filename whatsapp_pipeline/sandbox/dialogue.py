"""Invented conversations: the messages of one session, with times, quotes and attachments.

What belongs here: the order and times of messages within a session. What does not: the sentences (`phrases`),
the sessions of a chat (`plan`), and the text layout of a file (`blocks`).
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple, TypeVar

from whatsapp_pipeline.sandbox.orders import TECHNICIANS, Device, SampleOrder, pick_device
from whatsapp_pipeline.sandbox.phrases import CHAINS, DASHES, DELETED, PAIRS, PASTED, POOLS

STAFF: Final = ("Patrícia", "Juliano", "Débora", "Rodrigo")
LONGEST_SESSION_SECONDS: Final = 9 * 3600
_Said = TypeVar("_Said", str, tuple[str, str])

# Moments of each kind of session, in order: c_ customer, s_ staff, p_ a sentence with its answer. A moment
# with `?` is left out half of the time.
SCRIPTS: Final[dict[str, str]] = {
    "opening": "c_greeting? c_problem s_greeting? s_diagnose p_bring c_thanks? s_received c_thanks? s_close?",
    "approval": "s_quote p_haggle? c_approve s_approved c_thanks?",
    "refusal": "s_quote p_haggle c_reject s_reject c_thanks?",
    "status": "p_status c_thanks? s_close?",
    "ready": "s_ready p_pickup c_end s_close?",
    "late": "p_status? c_complaint s_apology c_after_apology",
    "warranty": "p_warranty c_thanks s_close?",
    "price": "c_greeting? p_price p_haggle? c_thanks s_close?",
    "hours": "c_greeting? p_hours c_thanks?",
    "stranger": "c_stranger s_greeting c_problem s_diagnose c_thanks? s_close?",
    "supplier": "p_supplier c_thanks?",
}


class Line(NamedTuple):
    """One message: `who` is c (customer), s (staff) or n (notification); `kind` is text, image, voice, …

    `number` has 30 random bits for the name and size of an attachment, which a second export repeats.
    """

    at: datetime
    who: str
    kind: str
    text: str
    member: int = 0
    number: int = 0
    quoted: Line | None = None


@dataclass(frozen=True, slots=True)
class Speaker:
    """The writing style of the customer of a chat."""

    name: str
    first_name: str
    woman: bool
    casual: bool
    plain: bool = False
    """Write only characters of Windows-1252, and no replies."""


@dataclass(frozen=True, slots=True)
class Session:
    """A planned session: its start, its subject and its approximate number of messages."""

    start: datetime
    kind: str
    mood: str
    order: SampleOrder | None
    size: int
    names_order: bool = False


def _greeting(at: datetime) -> str:
    return "Bom dia" if at.hour < 12 else "Boa tarde" if at.hour < 18 else "Boa noite"


def _slots(rng: random.Random, session: Session, speaker: Speaker) -> Mapping[str, str]:
    order = session.order
    device: Device
    if order is not None:
        device, model, fault = order.device, order.model, order.fault
        value, number, technician = order.total, order.number, order.technician
    else:
        device, model = pick_device(rng)
        fault = device.faults[int(rng.random() * len(device.faults))]
        value, number, technician = rng.randint(8, 60) * 10.0, "", TECHNICIANS[0]
    she = device.feminine
    return {
        "nome": speaker.first_name,
        "nome_completo": speaker.name,
        "atendente": STAFF[int(rng.random() * len(STAFF))],
        "cumprimento": _greeting(session.start),
        "aparelho": f"{device.word} {model}",
        "coisa": device.word,
        "defeito": fault,
        "o": "a" if she else "o",
        "meu": "Minha" if she else "Meu",
        "meu_solto": "minha" if she else "meu",
        "seu": "Sua" if she else "Seu",
        "esse": "essa" if she else "esse",
        "ele": "ela" if she else "ele",
        "pronto": "pronta" if she else "pronto",
        "novo": "uma nova" if she else "um novo",
        "otimo": "ótima" if she else "ótimo",
        "a_o": "a" if she else "o",
        "a_o_cliente": "a" if speaker.woman else "o",
        "a_cliente": "a" if speaker.woman else "",
        "valor": f"{value:.2f}".replace(".", ","),
        "prazo": str(rng.randint(2, 7)),
        "os": number,
        "hora": ("amanhã cedo", "depois das 14h", "no fim da tarde", "às 10h")[int(rng.random() * 4)],
        "tecnico": technician,
        "parcelas": str(rng.choice((3, 6, 10))),
    }


def _pick(rng: random.Random, pool: Sequence[_Said]) -> _Said:
    return pool[int(rng.random() * len(pool))]


def _sayable(rng: random.Random, texts: Sequence[_Said], session: Session) -> _Said:
    """Draw one of `texts`; only sessions with `names_order` get one that contains the order's number."""
    if session.names_order and rng.random() < 0.6:
        naming = [said for said in texts if _names_order(said)]
        if naming:
            return _pick(rng, naming)
    for _ in range(12):
        said = _pick(rng, texts)
        if session.names_order or not _names_order(said):
            return said
    return next(said for said in texts if not _names_order(said))


def _names_order(said: str | tuple[str, str]) -> bool:
    return any("{os}" in text for text in ((said,) if isinstance(said, str) else said))


def _turns_of(rng: random.Random, moment: str, session: Session) -> list[tuple[str, str]]:
    """Return the sentences at a moment of a script; they depend on the mood of the session."""
    if moment.startswith("p_"):
        said, answer = _sayable(rng, PAIRS[moment[2:]], session)
        return [("c", said), ("s", answer)]
    if moment == "c_end":
        moment = {"positive": "c_praise", "negative": "c_complaint"}.get(session.mood, "c_neutral_end")
    if moment == "s_received" and not session.names_order:
        moment = "s_received_plain"
    return [(moment[0], _sayable(rng, POOLS[moment], session))]


def _turns(rng: random.Random, session: Session) -> list[tuple[str, str]]:
    """Return the session's sentences in order, about `session.size` of them."""
    if session.kind == "group":
        return [
            ("c", _pick(rng, POOLS["g_member"]))
            if rng.random() < 0.8
            else ("s", _pick(rng, POOLS["g_staff"]))
            for _ in range(session.size)
        ]
    script: list[tuple[str, str]] = []
    for moment in SCRIPTS[session.kind].split():
        if not moment.endswith("?") or rng.random() < 0.5:
            script.extend(_turns_of(rng, moment.rstrip("?"), session))
    if session.size <= len(script):
        return script[: max(1, session.size)]
    split = max(2, len(script) // 2)
    return script[:split] + _filler(rng, session.size - len(script)) + script[split:]


def _filler(rng: random.Random, count: int) -> list[tuple[str, str]]:
    turns: list[tuple[str, str]] = []
    used: set[int] = set()
    while len(turns) < count:
        if rng.random() < 0.3:
            turns.append(
                ("c", _pick(rng, POOLS["c_odd"])) if rng.random() < 0.6 else ("s", _pick(rng, POOLS["s_odd"]))
            )
            continue
        index = int(rng.random() * len(CHAINS))
        if index in used:
            if len(used) < len(CHAINS):
                continue
            used.clear()
        used.add(index)
        turns.extend(CHAINS[index])
    return turns[:count]


_CASUAL: Final = (
    ("você", "vc"),
    ("Vocês", "Vcs"),
    ("vocês", "vcs"),
    ("para ", "pra "),
    ("também", "tb"),
    ("quando", "qdo"),
    ("não", "nao"),
    ("está", "ta"),
    ("hoje", "hj"),
    ("por favor", "pfv"),
    ("obrigad", "brigad"),
)


def _casual(text: str) -> str:
    for formal, short in _CASUAL:
        text = text.replace(formal, short)
    return text.lower()


def _plain(text: str) -> str:
    return text.encode("cp1252", "ignore").decode("cp1252").rstrip()


def _gap(rng: random.Random, who: str, previous: str) -> float:
    """Draw the seconds to the next message: few for the same writer, minutes or hours for an answer."""
    if who == previous:
        return 0.0 if rng.random() < 0.2 else rng.expovariate(1 / 35)
    if rng.random() < 0.06:
        return rng.expovariate(1 / 5400)
    return 3 + rng.expovariate(1 / (240 if who == "s" else 130))


# Kinds of messages other than text, with their cumulative share of all messages.
_MEDIA_SHARES: Final = (
    ("image", 0.045),
    ("voice", 0.075),
    ("audio", 0.085),
    ("document", 0.092),
    ("video", 0.097),
    ("sticker", 0.101),
    ("deleted", 0.105),
    ("call", 0.108),
    ("empty", 0.110),
)


def _media(rng: random.Random) -> str:
    """Draw the kind of a message: mostly text."""
    draw = rng.random()
    if draw >= _MEDIA_SHARES[-1][1]:
        return "text"
    return next(kind for kind, share in _MEDIA_SHARES if draw < share)


def _odd_text(rng: random.Random, who: str, text: str) -> str:
    """Rarely replace a text by one that breaks careless readers: U+2028, dashes, a pasted transcript."""
    draw = rng.random()
    if draw < 0.004:
        return text.replace(" ", "\u2028", 1)
    if who == "c" and draw < 0.0055:
        return _pick(rng, DASHES)
    if who == "c" and draw < 0.006:
        return PASTED
    return text


def write_session(seed: str, session: Session, speaker: Speaker, *, group: bool = False) -> Iterator[Line]:
    """Yield the session's messages in order; the same seed gives the same messages.

    The first one has the time `session.start`, and no pause is longer than six hours. The `text` of a media
    line is its caption; a call is a notification.
    """
    rng = random.Random(seed)
    slots = _slots(rng, session, speaker)
    recent: list[Line] = []
    elapsed, previous = 0.0, ""
    # A sentence about an order must stay text; otherwise the truth would claim more than the file contains.
    for position, (who, template) in enumerate(_turns(rng, session)):
        if position:
            elapsed += min(_gap(rng, who, previous), 6 * 3600) if elapsed < LONGEST_SESSION_SECONDS else 4.0
        previous = who
        kind = "text" if "{os}" in template or not position else _media(rng)
        text = (
            _odd_text(rng, who, template).format_map(slots)
            if kind == "text"
            else _caption(rng, kind, speaker)
        )
        if kind == "text":
            text = _styled(text, who, speaker)
        at = session.start + timedelta(seconds=int(elapsed))
        quoted = None
        if recent and not speaker.plain and kind == "text" and rng.random() < 0.05:
            quoted = recent[int(rng.random() * len(recent))]
        member = int(rng.random() * 6) if group else 0
        line = Line(at, "n" if kind == "call" else who, kind, text, member, rng.getrandbits(30), quoted)
        yield line
        if kind not in {"call", "deleted", "empty"}:
            recent.append(line)
            del recent[:-10]


def _styled(text: str, who: str, speaker: Speaker) -> str:
    if who == "c" and speaker.casual:
        text = _casual(text)
    elif text[:1].islower():
        text = text[0].upper() + text[1:]
    return _plain(text) or "ok" if speaker.plain else text


def _caption(rng: random.Random, kind: str, speaker: Speaker) -> str:
    if kind in {"image", "video"}:
        return _pick(rng, POOLS["photo_caption"])
    if kind == "document":
        return _pick(rng, POOLS["doc_caption"])
    return DELETED if kind == "deleted" else ""
