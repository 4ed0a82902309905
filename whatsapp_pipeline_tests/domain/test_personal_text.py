"""What of a free text leads to a person and is hidden, and what stays."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatsapp_pipeline.domain.personal_text import hide_personal

# One invented number, as people, phones and programs write it.
MOBILE = [
    "41999990001",
    "41 99999-0001",
    "41 99999 0001",
    "41 9 9999-0001",
    "41 9 9999 0001",
    "(41) 99999-0001",
    "(41)99999-0001",
    "(41)999990001",
    "(041) 99999-0001",
    "41:99999:0001",
    "41,99999,0001",
    "41'99999'0001",
    "41, 99999-0001",
    "41: 9 9999:0001",
    "041 99999-0001",
    "0 41 99999-0001",
    "0xx41 99999-0001",
    "041 41 99999-0001",
    "41.99999.0001",
    "41.9.9999.0001",
    "41.999.990.001",
    "41-99999-0001",
    "41/99999-0001",
    "41_99999_0001",
    "41 99999.0001",
    "41  99999 - 0001",
    "41 *99999-0001*",
    "+5541999990001",
    "+55 41 99999-0001",
    "+55 (41) 99999-0001",
    "+55 (41) 9.9999-0001",
    "55 41 99999-0001",
    "5541999990001",
    "0055 41 99999-0001",
    "+ 55 41 99999 0001",
    "4 1 9 9 9 9 9 0 0 0 1",
    "41   99999   -   0001",
    "41\t\t99999\t\t0001",
    "41 ----- 99999 ..... 0001",
    "41\n99999-0001",
    "41 99999\n0001",
    "41&nbsp;99999&#45;0001",
    "41&#32;9&#x20;9999&ndash;0001",
    "41<br>99999<br/>0001",
    "<b>41</b> 99999<wbr>0001",
    "41%2099999%2D0001",
    "%2B55%2041%2099999%E2%80%910001",
    "41%252099999-0001",
    "41&amp;nbsp;99999-0001",
    "41\u201199999\u20110001",
    "41\u201399999\u20130001",
    "41 99999\u22120001",
    "41\u00a099999\u00a00001",
    "4199\u200b999\u200b0001",
    "\u206641 99999-0001\u2069",
    "\uff14\uff11\uff19\uff19\uff19\uff19\uff19\uff10\uff10\uff10\uff11",
    "4\ufe0f\u20e31\ufe0f\u20e39\ufe0f\u20e39\ufe0f\u20e39\ufe0f\u20e39\ufe0f\u20e39\ufe0f\u20e30\ufe0f\u20e30\ufe0f\u20e30\ufe0f\u20e31\ufe0f\u20e3",
    "5541999990001@s.whatsapp.net",
    "5541999990001:12@c.us",
    "554199990001",
]
OTHER_PHONES = [
    "99999-0001",
    "9 9999-0001",
    "99999 0001",
    "999990001",
    "3333-0000",
    "3333 0000",
    "3333.0000",
    "(xx) 99999-0001",
    "(41) 3333-0000",
    "41 3333-0000",
    "4133330000",
    "+1 415 555 0100",
    "+351 912 345 678",
    "00351912345678",
    "123456789012345@lid",
]
SENTENCES = [
    "me liga no {}, sim?",
    "{}",
    "OS 30123 {} urgente",
    "tel{}",
    "tel: {}",
    "falar com Ana ({})",
    "fone={};",
    "[document: ana_{}.pdf]",
    "wa.me/{}",
    "https://api.whatsapp.com/send?phone={}&text=oi",
    "o número é\n{}\nobrigado",
    "*{}*",
    "zap {} ou e-mail",
]


@pytest.mark.parametrize("written", MOBILE)
@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_mobile_number_is_hidden_in_every_spelling(written: str, sentence: str) -> None:
    hidden = hide_personal(sentence.format(written))
    assert "[telefone]" in hidden
    assert "0001" not in hidden
    assert "9999" not in hidden
    assert "30123" in hidden or "30123" not in sentence


@pytest.mark.parametrize("written", OTHER_PHONES)
@pytest.mark.parametrize("sentence", ["me liga no {}, sim?", "{}", "tel {} ok", "o número é\n{}\nobrigado"])
def test_other_phones_are_hidden(written: str, sentence: str) -> None:
    assert hide_personal(sentence.format(written)) == sentence.format("[telefone]")


@pytest.mark.parametrize("number", ["14155550100", "351912345678", "5491123456789"])
@pytest.mark.parametrize("link", ["oi @{}, veja", "https://wa.me/{}?text=oi", "wa.me/c/{}", "TEL;waid={}:x"])
def test_a_foreign_number_in_a_link_or_a_mention_is_hidden(number: str, link: str) -> None:
    assert hide_personal(link.format(number)) == link.format("[telefone]")


@pytest.mark.parametrize("mark", [*'+=#&!?"“<>[]{}^`´¨…→⁄،、。‧・‿♥📱%$@|;，：·', "...", " - ", ", "])
@pytest.mark.parametrize("parts", ["41 99999 0001", "41 9 9999 0001", "+55 41 99999 0001", "99999 0001"])
def test_a_mobile_number_is_hidden_whatever_stands_between_its_parts(mark: str, parts: str) -> None:
    hidden = hide_personal(f"me liga no {mark.join(parts.split())} sim")
    assert "[telefone]" in hidden
    assert "9999" not in hidden
    assert "0001" not in hidden


@pytest.mark.parametrize(
    "word", ["OS 30123", "os: 30123,", "pedido nº 4567", "ordem 30123:", "OS30123", "série X12"]
)
@pytest.mark.parametrize("written", ["33330000", "3333 0000", "3333-0000", "4133330000", "41 3333 0000"])
def test_a_landline_behind_an_order_number_is_hidden(word: str, written: str) -> None:
    assert hide_personal(f"{word} {written} urgente") == f"{word} [telefone] urgente"


@pytest.mark.parametrize("word", ["OS", "OS:", "pedido", "ordem nro", "orçamento"])
@pytest.mark.parametrize("written", ["4133330000", "999990001", "99999-0001", "3333-0000", "41 3333-0000"])
def test_no_order_number_has_the_shape_of_a_phone(word: str, written: str) -> None:
    assert hide_personal(f"{word} {written}") == f"{word} [telefone]"


@pytest.mark.parametrize(
    "written", ["Foto 41999990001.jpg", "IMG-41999990001-WA0001.jpg", "abc41999990001def"]
)
def test_a_mobile_number_in_a_file_name_is_hidden(written: str) -> None:
    assert "99999" not in hide_personal(written)


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("manda em ana.souza+loja@example.com.br hoje", "manda em [e-mail] hoje"),
        ("CPF 529.982.247-25", "CPF [CPF]"),
        ("meu cpf: 52998224725", "meu cpf: [CPF]"),
        ("é 529.982.247-25 ok", "é [CPF] ok"),
        ("52998224725", "[CPF]"),
        ("529 982 247 25", "[CPF]"),
        ("CNPJ 11.222.333/0001-81", "CNPJ [CNPJ]"),
        ("nota para 11222333000181", "nota para [CNPJ]"),
        ("12.ABC.345/01DE-35", "[CNPJ]"),
        ("RG 12.345.678-9", "RG [RG]"),
        ("meu rg é 12.345.678-X", "meu rg é [RG]"),
        ("41 99999-0001 e 41 98888-0002", "[telefone] e [telefone]"),
        ("41 99999-0001/3333-0000", "[telefone]/[telefone]"),
    ],
)
def test_each_is_named_for_what_it_is(text: str, hidden: str) -> None:
    assert hide_personal(text) == hidden


@pytest.mark.parametrize(
    "text",
    [
        "OS 30123",
        "OS 30123\n150,00",
        "OS 30123\nR$ 1.250,00",
        "30123 1500,00",
        "4123 1500,00",
        "R$ 1.250,00",
        "R$ 23.456.789,00",
        "12/03/2026",
        "12-03-2026 10:30",
        "2026-03-12 10:30:00",
        "20260312",
        "12.03.2026",
        "31/12/2026 às 08:30",
        "2024-2025",
        "de 2024 2025",
        "CEP 80010-000",
        "80.010-000",
        "cep: 80010000",
        "série 33445566",
        "S/N: 98765432",
        "SN4133330000",
        "nº de série 3344556677",
        "IMEI 356938035643809",
        "5CG8123XYZ",
        "C02X12345678",
        "protocolo 20260312001",
        "pedido nº 45678901",
        "4126 0312 3456 7890 1234 5500 1000 0012 3410 0000 0012",
        "são 3 unidades de 1200x800",
        "das 0800-1200",
        "ligue 0800 123 4567",
        "1 2 3 4 5 6 7 8 9 10",
        "Windows 11 23H2 22631.3447",
        "10.0.19045.3803",
        "192.168.100.200",
        "MHz 3200 16GB",
        "👨‍👩‍👧 família",
        "R$ 4.133,33 à vista",
        "das 10:30, 2025, 4500,00",
        "11:45, 1200, 3000",
        "itens 14, 2024, 2025",
        "12,5000,2500",
        "33:4500,2000",
        "serie 9999-0001",
        "nº de série 3333-0000",
        "SN: 9999-0001",
        "n/s 9999-0001",
        "modelo 2345-6789",
        "cód. 3333.0000",
        "patrimônio 3333 0000",
        "OS 33330000",
        "pedido 33330000",
        "12/9/2026 10:30",
        "em 12/9/2026, 10:30, na loja",
        "9/12/2025 14:30:00",
        "11 9/12/2025 10:30",
        "19,90 12,50 99,90",
        "11,99 100,00 99",
        "R$ 11,99; 100,00; 99",
        "8:00 12:00 13:30 18:00",
        "OS 98765/2026",
        "processo 91234/2025",
        "98765\n4321",
        "91234<br>5678",
        "R$&nbsp;1.250,00",
        "5%2030123",
        "1200&nbsp;x&nbsp;800",
        "30123   -   2026   -   150,00",
        "protocolo&nbsp;20260312001",
        "10%20de%2012%2030",
        "30123\n30124\n30125\n30126",
        "12\n14\n2\n1200,00",
        "<td>30123</td><td>150,00</td>",
        "61 9/8/2026, 10:00",
        "12 x 99,90 = 1198,80",
        "192.168.15.99:8080",
        "1,5 2,5 3,5 4,5 5,5 6,5",
    ],
)
def test_other_numbers_stay_as_they_are(text: str) -> None:
    assert hide_personal(text) == text


@given(st.text(alphabet="0123456789 .-/()+\nabR$,@", max_size=60))
def test_hiding_never_fails_and_hides_once(text: str) -> None:
    once = hide_personal(text)
    assert hide_personal(once) == once


@pytest.mark.parametrize("text", ["1 2 3 4 5 6 7 8 9 0 " * 205, "9" * 4096, "1-" * 2048, "4126 0312 " * 400])
def test_a_long_hostile_message_takes_no_time(text: str) -> None:
    began = time.process_time()
    hide_personal(text)
    assert time.process_time() - began < 0.8


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("ligue +55 41 3333-4444", "ligue +55 41 3333-4444"),
        ("ligue 3333-4444", "ligue 3333-4444"),
        ("ligue (41) 2333-4444", "ligue [telefone]"),
        ("ligue (41) 3333-4445", "ligue [telefone]"),
        ("escreva a LOJA@exemplo.com", "escreva a LOJA@exemplo.com"),
        ("escreva a ana@exemplo.com", "escreva a [e-mail]"),
    ],
)
def test_what_the_kept_text_names_stays(text: str, hidden: str) -> None:
    keep = "Atendimento: (41) 3333-4444 ou loja@exemplo.com"
    assert hide_personal(text, keep=keep) == hidden
    assert "exemplo.com" not in hide_personal("escreva a ana@exemplo.com")
