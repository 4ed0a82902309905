"""What holds for files of every shape that phones write: each message is read as what it was written as.

Reading also checks that no line is lost, wherever the file is cut (see `helpers.parse`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whatsapp_pipeline.domain.transcripts import Message, ParseOptions
from whatsapp_pipeline_tests.domain.transcripts.helpers import LABEL, block, parse

pytestmark = pytest.mark.slow

MARK = "\u200e"
FIRST_NOTICE = "As mensagens e as ligações são protegidas com a criptografia de ponta a ponta."
OWNER = "Loja: Centro"
DIGITS = "5541999000011"


class Shape(NamedTuple):
    """A body as a phone writes it, and what it is read as; `text` None when the body stays as it is."""

    body: str
    type: str = "text"
    text: str | None = None
    file: str | None = None
    is_notice: bool = False


class Speaker(NamedTuple):
    """A sender as written, and the name or the digits of the phone that it is read as."""

    written: str
    name: str | None
    digits: str = ""


def _phone(dash: str, blank: str) -> Speaker:
    return Speaker(f"\u202a+55{blank}41{blank}99900{dash}0011\u202c", None, DIGITS)


_LETTERS, _FIGURES = "abcdeãçéõABC", "0123456789"
words = st.builds(
    lambda first, middle, last: first + middle + last,
    st.sampled_from(_LETTERS),
    st.text(f"{_LETTERS} {_FIGURES}.,", min_size=1, max_size=28),
    st.sampled_from(f"{_LETTERS}{_FIGURES},"),
)
captions = st.lists(words, min_size=1, max_size=3).map("\n".join)
stems = st.sampled_from(["Orçamento", "Nota Fiscal - março", "nota v1.2", "IMG-20240814-WA0001"])
speakers = st.one_of(
    st.sampled_from([Speaker(name, name) for name in ("Maria Silva", "João - Oficina", "Ana (mãe)", OWNER)]),
    st.just(Speaker("~\u202fRita", "Rita")),
    st.builds(_phone, st.sampled_from("-‐‑‒–—―−"), st.sampled_from([" ", "\u00a0", "\u202f"])),
)
plain = words.map(Shape)
android_shapes = st.one_of(
    plain,
    st.builds(lambda n, c: Shape(f"{n}.jpg (arquivo anexado)\n{c}", "image", c, f"{n}.jpg"), stems, captions),
    st.builds(lambda n: Shape(f"{MARK}{n}.opus (archivo adjunto)", "audio", "", f"{n}.opus"), stems),
    captions.map(lambda c: Shape(f"<Mídia oculta>\n{c}", "media", c)),
    words.map(lambda t: Shape(f"{t} <Mensagem editada>", "edited", t)),
    words.map(lambda t: Shape(f"ENQUETE:\n{t}\nOPÇÃO: sim (1 voto)", "poll")),
    st.just(Shape("Esta mensagem foi apagada", "deleted")),
    st.just(Shape("Ligação perdida")),
)
ios_shapes = st.one_of(
    plain,
    captions.map(lambda c: Shape(f"{c} {MARK}imagem ocultada", "image", c)),
    captions.map(lambda c: Shape(f"{c}\nvídeo omitido", "video", c)),
    stems.map(
        lambda n: Shape(f"{n}.pdf • {MARK}2 páginas {MARK}documento omitido", "document", "", f"{n}.pdf")
    ),
    captions.map(lambda c: Shape(f"{MARK}<anexado: 01-PHOTO.jpg>\n{c}", "image", c, "01-PHOTO.jpg")),
    words.map(lambda t: Shape(f"{t} {MARK}<Mensagem editada>", "edited", t)),
    words.map(lambda t: Shape(f"{MARK}ENQUETE:\n{t}\n{MARK}OPÇÃO: sim ({MARK}1 voto)", "poll")),
    words.map(lambda t: Shape(f"{MARK}EVENTO:\n{t}", "event")),
    st.sampled_from(["Mensagem apagada.", "Você apagou esta mensagem."]).map(
        lambda t: Shape(f"{MARK}{t}", "deleted")
    ),
    st.integers(1, 59).map(lambda n: Shape(f"{MARK}Ligação de voz. {MARK}{n} min", "call")),
    st.just(Shape("Ligação de voz perdida")),
    words.map(lambda t: Shape(f"{MARK}Rita ativou a {t}.", "system", is_notice=True)),
)
block_shapes = st.one_of(
    plain,
    st.builds(
        lambda n, c: Shape(f"{c}\n\n{n}.jpg (Imagem)\n12.5 KB", "image", c, f"{n}.jpg"), stems, captions
    ),
    st.sampled_from(["Esta mensagem foi apagada.", f"{MARK}Você apagou esta mensagem."]).map(
        lambda t: Shape(t, "deleted")
    ),
    st.integers(1, 59).map(lambda n: Shape(f"{MARK}Ligação de voz. {MARK}{n} min", "call")),
    st.just(Shape("Ligação de voz perdida")),
)
times = st.datetimes(datetime(2015, 1, 1), datetime(2025, 1, 1)).map(
    lambda time: time.replace(second=0, microsecond=0)
)
ends = st.sampled_from(["\n", "\r\n", "\r"])
chunks = st.one_of(st.none(), st.integers(400, 1500))


def _with_period(time: datetime, seconds: str = "") -> str:
    """A time as Brazilian phones with a clock of twelve hours write it."""
    period = ("da madrugada", "da manhã", "da tarde", "da noite")[time.hour // 6]
    return f"{time:%d/%m/%Y} {time.hour % 12 or 12}:{time:%M}{seconds} {period}"


Header = Callable[[datetime], str]
ANDROID_HEADERS: list[Header] = [
    lambda time: f"{_with_period(time)} - ",
    lambda time: f"{time:%d/%m/%Y %H:%M} - ",
    lambda time: f"{time:%d.%m.%y} à {time:%H:%M} - ",
    lambda time: f"{time.day}. {time.month}. {time.year} klo {time:%H.%M} - ",
    lambda time: (
        f"{time:%d/%m/%y, %I:%M} p.\u00a0m. - " if time.hour > 11 else f"{time:%d/%m/%y, %I:%M} a.\u00a0m. - "
    ),
]
IOS_HEADERS: list[Header] = [
    lambda time: f"[{time:%d/%m/%Y, %H:%M:%S}] ",
    lambda time: f"{MARK}[{time:%d.%m.%y %H:%M:%S}] ",
    lambda time: f"[{_with_period(time, ':00')}] ",
]
Said = list[tuple[datetime, Speaker, Shape]]


def said_of(shapes: st.SearchStrategy[Shape]) -> st.SearchStrategy[Said]:
    return st.lists(st.tuples(times, speakers, shapes), min_size=1, max_size=8)


def _assert_read(message: Message, time: datetime, speaker: Speaker, shape: Shape) -> None:
    assert message.timestamp == time
    assert (message.type, message.attachment_name) == (shape.type, shape.file)
    assert message.text == (shape.body if shape.text is None else shape.text)
    if shape.is_notice:
        assert (message.direction, message.sender_name) == ("notification", None)
        return
    assert message.direction == ("to" if speaker.name == OWNER else "from")
    if message.direction == "from":
        assert "".join(filter(str.isdigit, message.sender_phone or "")) == speaker.digits
    assert message.sender_name == speaker.name


def _read_native(said: Said, header: Header, first: str, colon: str, end: str, chunk: int | None) -> None:
    opening = datetime(2014, 12, 31, 10, 0)
    lines = [f"{header(opening)}{first}\n", f"{header(opening)}{OWNER}: olá\n"]
    lines += [f"{header(time)}{speaker.written}{colon}{shape.body}\n" for time, speaker, shape in said]
    text = "".join(lines).replace("\n", end)
    result = parse(text, ParseOptions(date_order="dmy", owner=(OWNER,)), chunk=chunk)
    notice, hello, *messages = result.messages
    assert (notice.direction, hello.direction) == ("notification", "to")
    assert len(messages) == len(said)
    for message, written in zip(messages, said, strict=True):
        _assert_read(message, *written)


@settings(max_examples=60, deadline=None)
@given(said_of(android_shapes), st.sampled_from(ANDROID_HEADERS), ends, chunks)
def test_android_files_of_every_shape_are_read_back(
    said: Said, header: Header, end: str, chunk: int | None
) -> None:
    _read_native(said, header, FIRST_NOTICE, ": ", end, chunk)


@settings(max_examples=60, deadline=None)
@given(said_of(ios_shapes), st.sampled_from(IOS_HEADERS), ends, chunks)
def test_ios_files_of_every_shape_are_read_back(
    said: Said, header: Header, end: str, chunk: int | None
) -> None:
    _read_native(said, header, f"Rita: {MARK}{FIRST_NOTICE}", ": ", end, chunk)


@settings(max_examples=30, deadline=None)
@given(said_of(plain), st.sampled_from(ANDROID_HEADERS + IOS_HEADERS), ends)
def test_no_blank_is_needed_behind_a_name(said: Said, header: Header, end: str) -> None:
    first = f"Rita: {MARK}{FIRST_NOTICE}" if header in IOS_HEADERS else FIRST_NOTICE
    _read_native(said, header, first, ":", end, None)


statuses = st.sampled_from(
    ["Lida", "Lida - Editada", "Recebida - Encaminhada - Editada", "Leído", "Delivered"]
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(times, block_shapes, st.sampled_from("-‐‑‒–—―−"), statuses), min_size=1, max_size=8),
    ends,
    chunks,
)
def test_block_files_of_every_shape_are_read_back(
    said: list[tuple[datetime, Shape, str, str]], end: str, chunk: int | None
) -> None:
    text = "".join(
        block(f"{time} from Rita - Oficina (+55 41 99900{dash}0011) - {status}", shape.body)
        + block(f"{time} notification", "Rita ativou algo novo")
        for time, shape, dash, status in said
    )
    result = parse(text.replace("\n", end), ParseOptions(default_title=LABEL), chunk=chunk)
    assert len(result.messages) == 2 * len(said)
    for message, notice, (time, shape, _, status) in zip(
        result.messages[::2], result.messages[1::2], said, strict=True
    ):
        _assert_read(message, time, Speaker("", "Rita - Oficina", DIGITS), shape)
        assert message.status == status.split(" - ", maxsplit=1)[0]
        assert notice.direction == "notification"
