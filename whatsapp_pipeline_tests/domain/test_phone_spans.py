"""Phones inside free text, in every spelling."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whatsapp_pipeline.domain.personal_text import hide_personal
from whatsapp_pipeline.domain.phone_spans import find_phone_spans
from whatsapp_pipeline.domain.redaction import name_of_key, scrub_text

SPELLINGS = [
    "+55 41 99999-0000",
    "5541999990000",
    "41 99999 0000",
    "(41) 9999-0000",
    "041 99999.0000",
    "41–99999–0000",
    "41—9 9999—0000",
    "41/99999/0000",
    "41\u00a099999\u20110000",
    "41 99999\u200e-0000",
    "４１９９９９９００００",
    "41_99999_0000",
    "4 1 9 9 9 9 9 0 0 0 0",
    "+55 (41) 9.9999-0000",
    "0055 41 99999-0000",
    "41:99999:0000",
    "41,99999,0000",
    "41'99999'0000",
    "41: 99999, 0000",
    "41&nbsp;99999&#45;0000",
    "41<br>99999<br />0000",
    "41   -   99999   -   0000",
    "41%2099999%2D0000",
    "41\n99999\n0000",
    "+55:41:99999:0000",
    "4,1,9,9,9,9,9,0,0,0,0",
    "41;9;9999;0000",
    "41 99999\u20190000",
    "41&nbsp99999&#0045;0000",
    "41&NonBreakingSpace;99999&ZeroWidthSpace;0000",
    "41<!-- x -->99999<!-- -->0000",
    '41<font size="2">99999</font>-<b class="h1">0000',
    "41\ufe0e99999\ufe0e0000",
    "41\x0799999\x9f0000",
    "41\u316499999\u11600000",
]


@pytest.mark.parametrize("written", SPELLINGS)
@pytest.mark.parametrize("around", ["me liga no {}, sim?", "fone{}", "{}whats", "OS 30123: {}."])
def test_every_spelling_is_hidden_and_known(written: str, around: str) -> None:
    text = around.format(written)
    hidden = hide_personal(text)
    assert "0000" not in hidden
    assert "００００" not in hidden
    assert "[telefone]" in hidden
    assert "4199990000" in {key for span in find_phone_spans(text) for key in span.keys}
    assert scrub_text(text, "wa:554199990000".__eq__) == hidden.replace("[telefone]", "[apagado]")
    assert scrub_text(text, "wa:554199990001".__eq__) == text


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("às 10:30, 41 99999-0000", "às 10:30, [apagado]"),
        ("às 10:30, 99999-0000", "às 10:30, [apagado]"),
        ("R$ 150,00, 41999990000", "R$ 150,00, [apagado]"),
        ("41 99999-0000 / 41 98888-0001", "[apagado] / 41 98888-0001"),
        ("41 98888-0001, 41 99999-0000", "41 98888-0001, [apagado]"),
        ("41 98888-0001 / 9999-0000", "41 98888-0001 / [apagado]"),
        ("41 99999-0000 / 99999-0000", "[apagado] / [apagado]"),
        ("OS 30155: 41 99999-0000", "OS 30155: [apagado]"),
        ('[1736000000,5541999990000,"x"]', '[1736000000,[apagado],"x"]'),
    ],
)
def test_only_the_number_is_erased_and_not_what_stands_beside_it(text: str, rest: str) -> None:
    names = {"wa:554199990000", "wa:xx99990000"}
    assert scrub_text(text, names.__contains__) == rest


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("tel:+55%2041%2099999-0000", "tel:[apagado]"),
        (
            "https://api.whatsapp.com/send?phone=%2B55%2841%29%2099999%2D0000&text=oi%20Ana",
            "https://api.whatsapp.com/send?phone=[apagado]&text=oi%20Ana",
        ),
        ("fone=41%C2%A09999%200000&os=30123", "fone=[apagado]&os=30123"),
        ("10%20de desconto: 41 99999-0001", "10%20de desconto: 41 99999-0001"),
    ],
)
def test_a_number_in_a_link_or_form_is_known(text: str, rest: str) -> None:
    names = {"wa:554199990000", "wa:xx99990000"}
    assert scrub_text(text, names.__contains__) == rest


@pytest.mark.parametrize("digits", ["⓪❶❷❸❹❺❻❼❽❾", "⓪➀➁➂➃➄➅➆➇➈", "⓿⓵⓶⓷⓸⓹⓺⓻⓼⓽"])
def test_digits_in_every_circle_are_digits(digits: str) -> None:
    text = "ligue " + "41999990000".translate({48 + at: digit for at, digit in enumerate(digits)})
    assert hide_personal(text) == "ligue [telefone]"
    assert scrub_text(text, "wa:554199990000".__eq__) == "ligue [apagado]"


def test_a_foreign_number_as_long_as_a_brazilian_key_is_erased() -> None:
    assert name_of_key("+200000001") == "wa:200000001"
    assert scrub_text("ligue +200 000 001 ou 41 99999-0000", "wa:200000001".__eq__) == (
        "ligue [apagado] ou 41 99999-0000"
    )


_USUAL_MARKS = [
    "",
    " ",
    "-",
    ".",
    "/",
    "_",
    "~",
    "*",
    "·",
    "\u2011",
    "\u2013",
    "\u2014",
    "\u2212",
    "\u2044",
    "\u2215",
    "\u00a0",
    "\u200b",
    "   -   ",
    " " * 9,
    "----",
    "&nbsp;",
    "&#45;",
    "&#x2F;",
    "&ndash;",
    "&amp;nbsp;",
    "%20",
    "%2D",
    "%2F",
    "%C2%A0",
    "%E2%80%93",
    "%2520",
]
_RARE_MARKS = [
    ":",
    ",",
    ";",
    "'",
    "|",
    "#",
    "+",
    "→",
    "📱",
    " , ",
    "\n",
    "\r\n",
    "<br>",
    "<br />\n",
    "<wbr>",
    "&bull;",
]
_BEFORE = [
    "",
    "me liga no ",
    "fone",
    "Fone: ",
    "OS 30123: ",
    "às 10:30, ",
    "R$ 150,00 - ",
    "é o ",
    "(",
    "tel=",
    "wa.me/",
]
_AFTER = ["", ".", ", sim?", " às 11:45", "\nobrigado", ")", " R$ 99,90", "&text=oi", "whats"]


@st.composite
def written_numbers(draw: st.DrawFn) -> tuple[str, str, str]:
    """A number's key, a text that has it in some spelling, and the digits that may not be left."""
    is_mobile = draw(st.booleans())
    area = draw(st.sampled_from(["11", "41", "55", "98"]))
    first, last = (
        ("9999", "3333")[not is_mobile],
        f"{draw(st.integers(0, 9998)):04}",
    )  # 99999-9999 is nobody's
    marks = _USUAL_MARKS + _RARE_MARKS if is_mobile else _USUAL_MARKS
    between = [draw(st.sampled_from(marks)) for _ in range(2)]
    head = draw(st.sampled_from(["", "+55 ", "55", "+55", "0", "0055 "]))
    opened, closed = draw(st.sampled_from([("", ""), ("(", ")")]))
    number = f"{head}{opened}{area}{closed}{between[0]}{'9' * is_mobile}{first}{between[1]}{last}"
    # Ten digits that are glued to a word behind them are rather a serial number.
    after = draw(st.sampled_from(_AFTER if is_mobile else _AFTER[:-1]))
    before = draw(st.sampled_from(_BEFORE))
    return area + first + last, before + number + after, last


@settings(max_examples=400, deadline=None)
@given(written_numbers())
def test_the_mask_hides_what_the_erasure_finds(drawn: tuple[str, str, str]) -> None:
    key, text, last = drawn
    erased, hidden = scrub_text(text, name_of_key(key).__eq__), hide_personal(text)
    assert "[apagado]" in erased
    assert "[telefone]" in hidden
    for left in (erased, hidden):
        assert key not in {key for span in find_phone_spans(left) for key in span.keys}
        assert last not in left or last in text.replace(last, "", 1)


@settings(max_examples=400, deadline=None)
@given(
    st.text(alphabet="0123456789999 .-/()+\n,:ao", max_size=40)
    | st.tuples(written_numbers(), written_numbers()).map(lambda two: f"{two[0][1]} {two[1][1]}")
)
def test_the_erasure_finds_what_the_mask_hides(text: str) -> None:
    assert hide_personal(text).count("[telefone]") == 0 or any(span.keys for span in find_phone_spans(text))
    # With every number that the erasure can read taken out, the mask has nothing to hide.
    assert "[telefone]" not in hide_personal(scrub_text(text, lambda _: True))


@pytest.mark.parametrize(("digits", "key"), [("12345678", "xx12345678"), ("112345678", "xx12345678")])
def test_eight_or_nine_digits_may_be_a_number_that_no_rule_knows(digits: str, key: str) -> None:
    (span,) = find_phone_spans(f"liga {digits}")
    assert key in span.keys
    assert "xx" not in span.keys


@pytest.mark.parametrize("written", ["99999-0000", "9999 0000", "3333–0000"])
def test_numbers_without_an_area_code(written: str) -> None:
    assert hide_personal(f"liga {written} já") == "liga [telefone] já"
    name = f"wa:xx{written[-9:-5]}0000"
    assert scrub_text(f"liga {written} já", name.__eq__) == "liga [apagado] já"


@pytest.mark.parametrize(
    "plain",
    [
        "OS 30123",
        "R$ 1.250,00",
        "12/03/2026",
        "31/12/2026",
        "são 3 unidades",
        "das 10:30 às 11:45",
        datetime(2026, 3, 1, tzinfo=UTC).isoformat()[:10],
    ],
)
def test_what_is_no_phone_stays(plain: str) -> None:
    assert hide_personal(plain) == plain
