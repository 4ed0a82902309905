"""Phones inside free text, in every spelling."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from whatsapp_pipeline.domain.personal_text import hide_personal
from whatsapp_pipeline.domain.phone_spans import find_phone_spans
from whatsapp_pipeline.domain.redaction import scrub_text

SPELLINGS = [
    "+55 41 99999-0000", "5541999990000", "41 99999 0000", "(41) 9999-0000", "041 99999.0000",
    "41–99999–0000", "41—9 9999—0000", "41/99999/0000", "41\u00a099999\u20110000", "41 99999\u200e-0000",
    "４１９９９９９００００", "41_99999_0000", "4 1 9 9 9 9 9 0 0 0 0", "+55 (41) 9.9999-0000",
    "0055 41 99999-0000", "41:99999:0000", "41,99999,0000", "41'99999'0000", "41: 99999, 0000",
    "+55:41:99999:0000", "4,1,9,9,9,9,9,0,0,0,0", "41;9;9999;0000", "41 99999\u20190000",
]  # fmt: skip


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
        ("https://api.whatsapp.com/send?phone=%2B55%2841%29%2099999%2D0000&text=oi%20Ana",
         "https://api.whatsapp.com/send?phone=%2B[apagado]&text=oi%20Ana"),
        ("fone=41%C2%A09999%200000&os=30123", "fone=[apagado]&os=30123"),
        ("10%20de desconto: 41 99999-0001", "10%20de desconto: 41 99999-0001"),
    ],
)  # fmt: skip
def test_a_number_in_a_link_or_form_is_known(text: str, rest: str) -> None:
    names = {"wa:554199990000", "wa:xx99990000"}
    assert scrub_text(text, names.__contains__) == rest


@pytest.mark.parametrize("written", ["99999-0000", "9999 0000", "3333–0000"])
def test_numbers_without_an_area_code(written: str) -> None:
    assert hide_personal(f"liga {written} já") == "liga [telefone] já"
    name = f"wa:xx{written[-9:-5]}0000"
    assert scrub_text(f"liga {written} já", name.__eq__) == "liga [apagado] já"


@pytest.mark.parametrize(
    "plain",
    ["OS 30123", "R$ 1.250,00", "12/03/2026", "31/12/2026", "são 3 unidades", "das 10:30 às 11:45",
     datetime(2026, 3, 1, tzinfo=UTC).isoformat()[:10]],
)  # fmt: skip
def test_what_is_no_phone_stays(plain: str) -> None:
    assert hide_personal(plain) == plain
