"""The formats that pages share, and that no value reaches a page without being escaped."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from whatsapp_pipeline import templates
from whatsapp_pipeline.templates.render import (
    certainty,
    commands,
    counted,
    duration,
    lines,
    moment,
    number,
    render,
    share,
)

HOSTILE = "<script>alert('x')</script>&\x1b[31m\u202egnp\x00"


def _customer(**changes: object) -> dict[str, object]:
    """Return what the customer's page needs, with nothing known of the customer."""
    contact = {"id": 7, "nome": None, "celular": None, "telefone": None, "email": None}
    return {
        "contact": contact,
        "summary": None,
        "claims": [],
        "metrics": [],
        "months": {},
        "conversations": [],
        "orders": [],
        "messages": [],
        "sentiment_words": {},
        **changes,
    }


def test_every_template_ends_in_html() -> None:
    folder = Path(next(iter(templates.__path__)))
    others = [
        path.name for path in folder.iterdir() if path.suffix not in {".html", ".py"} and path.is_file()
    ]
    assert others == []


@pytest.mark.parametrize(
    ("value", "places", "shown"),
    [(0, 0, "0"), (999, 0, "999"), (1234567, 0, "1.234.567"), (1234.56, 1, "1.234,6"), (None, 0, "–")],
)
def test_numbers_are_written_as_brazilians_do(value: float | None, places: int, shown: str) -> None:
    assert number(value, places) == shown


@pytest.mark.parametrize(
    ("count", "shown"), [(0, "0 dias"), (1, "1 dia"), (2, "2 dias"), (1234, "1.234 dias")]
)
def test_a_noun_follows_its_count(count: int, shown: str) -> None:
    assert counted(count, ("dia", "dias")) == shown


@pytest.mark.parametrize(
    ("confidence", "shown"), [(0.0, "0%"), (0.29, "29%"), (0.995, "99%"), (0.99999, "99%"), (1.0, "100%")]
)
def test_only_what_is_certain_is_100_percent(confidence: float, shown: str) -> None:
    assert certainty(confidence) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (59, "0 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (172_799, "47 h"),
        (172_800, "2 dias"),
        (1e8, "1.157 dias"),
    ],
)
def test_a_duration_is_in_the_unit_a_person_would_use(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


def test_shares_and_moments() -> None:
    assert share(39, 40) == "97,5%"
    assert share(1, 0) == "–"
    assert moment(datetime(2025, 3, 1, 8, 5)) == "01/03/2025 08:05"
    assert moment(None) == ""


def test_commands_are_marked_and_the_rest_is_escaped() -> None:
    assert commands("do `a <b>` & rest") == "do <code>a &lt;b&gt;</code> &amp; rest"


def test_line_breaks_stay_and_control_characters_show() -> None:
    assert lines("a<\r\nb\x1b") == "a&lt;<br>b\ufffd"


def test_hostile_text_is_escaped_wherever_a_customer_can_write() -> None:
    message = {"at": datetime(2025, 1, 1), "direction": HOSTILE, "text": HOSTILE, "type": HOSTILE}
    page = render(
        "customer.html",
        **_customer(
            contact={"id": 7, "nome": HOSTILE, "celular": HOSTILE, "telefone": None, "email": HOSTILE},
            claims=[{"text": HOSTILE, "quotes": [message]}],
            summary={"computed_at": datetime(2025, 1, 1), "stale_since": datetime(2025, 1, 2)},
            metrics=[(HOSTILE, HOSTILE)],
            conversations=[HOSTILE],
            months={HOSTILE: {"positive": 3}},
            sentiment_words={"positive": HOSTILE, "neutral": "", "negative": ""},
            orders=[HOSTILE],
            messages=[message, {**message, "text": None}],
        ),
    )
    assert "<script" not in page
    assert page.count("&lt;script&gt;") >= 14
    assert not {"\x1b", "\u202e", "\x00"} & set(page)


def test_a_value_that_was_forgotten_is_an_error_and_not_a_gap() -> None:
    values = _customer()
    del values["orders"]
    with pytest.raises(UndefinedError, match="orders"):
        render("customer.html", **values)
