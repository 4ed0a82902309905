"""Items of v2 and v3, and the odd values the ERP puts in them."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import pytest

from whatsapp_pipeline.erp.items import (
    ItemError,
    identify,
    item_id,
    items_of,
    parse_discount,
    parse_erp_amount,
    parse_erp_time,
    read_contact,
    read_order,
)
from whatsapp_pipeline_tests.erp.worlds import contact, order


def test_v2_and_v3_names_give_the_same_contact_and_say_which_they_are() -> None:
    v3 = read_contact(
        {
            "id": 7,
            "nome": "Maria Silva",
            "tipoPessoa": "F",
            "cpfCnpj": "1",
            "inscricaoEstadual": "2",
            "telefone": "(41) 3299-0000",
            "celular": "(41) 99999-0000",
        }
    )
    v2 = read_contact(
        {
            "contato": {
                "id": "7",
                "nome": "Maria Silva",
                "tipo_pessoa": "F",
                "cpf_cnpj": "1",
                "ie": "2",
                "fone": "(41) 3299-0000",
                "celular": "(41) 99999-0000",
            }
        }
    )
    assert (v3.field_names, v2.field_names) == ("v3", "v2")
    assert v3.id == v2.id == 7
    assert v3.values == v2.values
    assert v3.values["telefone"] == "(41) 3299-0000"


def test_a_field_that_is_absent_is_not_a_field_that_is_empty() -> None:
    values = read_contact({"id": 7, "nome": "Maria", "email": ""}).values
    assert values == {"nome": "Maria", "email": ""}


def test_the_hash_does_not_depend_on_the_order_of_fields() -> None:
    item = contact(1)
    assert identify(item).item_hash == identify(dict(reversed(item.items()))).item_hash
    assert identify(item).item_hash != identify(item | {"nome": "Outra"}).item_hash
    assert identify({"contato": item}) == identify(item)


def test_an_order_in_detail() -> None:
    _, detail = order(1, value="250.00")
    values = read_order(detail).values
    assert values["id_contato"] == 1001
    assert values["data_prevista"] is None
    assert values["data_conclusao"] == date(2025, 1, 15)
    assert values["desconto"] == Decimal("25.00")
    assert values["total_servicos"] == Decimal("80.00")
    assert (values["orcar"], values["orcado"]) == ("S", "N")
    assert values["id_categoria_os"] == 7


def test_the_list_names_the_customer_cliente() -> None:
    listed, _ = order(1)
    assert read_order(listed).values["id_contato"] == 1001


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("0000-00-00", None),
        ("0000-00-00 00:00:00", None),
        ("2025-02-30", None),
        ("soon", None),
        ("2025-01-10", datetime(2025, 1, 10)),
        ("2025-01-10 18:30:00", datetime(2025, 1, 10, 18, 30)),
        ("10/01/2025", datetime(2025, 1, 10)),
        ("10/01/2025 09:05", datetime(2025, 1, 10, 9, 5)),
    ],
)
def test_dates(text: str, expected: datetime | None) -> None:
    assert parse_erp_time(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("abc", None),
        ("NaN", None),
        ("170,00", "170.00"),
        ("1.234,56", "1234.56"),
        ("99.5", "99.5"),
        ("R$ 10,00", "10.00"),
        ("0", "0"),
    ],
)
def test_amounts(text: str, expected: str | None) -> None:
    assert parse_erp_amount(text) == (None if expected is None else Decimal(expected))


def test_a_discount_in_percent_is_a_share_of_the_total() -> None:
    assert parse_discount("10%", Decimal("250")) == Decimal("25.00")
    assert parse_discount("2,5%", Decimal("200")) == Decimal("5.00")
    assert parse_discount("10%", None) is None
    assert parse_discount("0,00", None) == Decimal("0.00")


@pytest.mark.parametrize("item", [{}, {"id": ""}, {"id": "x"}, {"id": 0}, {"id": None}, {"id": True}])
def test_an_item_without_an_id_is_an_error(item: dict[str, object]) -> None:
    with pytest.raises(ItemError):
        read_contact(item)


def test_pages_of_both_versions_and_bare_lists() -> None:
    assert len(items_of({"itens": [contact(1)], "paginacao": {}})) == 1
    assert len(items_of({"retorno": {"status": "OK", "contatos": [{"contato": {"id": "7"}}]}})) == 1
    assert len(items_of([contact(1), contact(2)])) == 2
    with pytest.raises(ItemError):
        items_of({"mensagem": "erro"})


def test_what_is_no_object_keeps_its_place_in_a_page() -> None:
    assert items_of({"itens": [contact(1), "x", None]}) == [contact(1), {}, {}]
    assert items_of([contact(1), [2]]) == [contact(1), {}]
    with pytest.raises(ItemError, match="an item is empty or is not an object"):
        item_id({})
    with pytest.raises(ItemError, match="no list of items"):
        items_of(["x", None])


def test_text_that_postgresql_cannot_keep_is_mended() -> None:
    assert read_contact({"id": 1, "nome": "a\x00b\ud83d"}).values["nome"] == "ab?"


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("Casa &amp; Cia", "Casa & Cia"),
        ("D&#39;Ávila &quot;Loja&quot;", 'D\'Ávila "Loja"'),
        ("Casa & Cia; Filhos", "Casa & Cia; Filhos"),
        ("Com &regiao; X", "Com &regiao; X"),
        ("A &notavel; B", "A &notavel; B"),
        ("R&reg Som", "R&reg Som"),
        ("a&#0;b&#xD800;", "a\ufffdb\ufffd"),
        ("&nao_existe;", "&nao_existe;"),
    ],
)
def test_html_entities_are_marks(written: str, shown: str) -> None:
    assert read_contact({"id": 1, "nome": written}).values["nome"] == shown
    order = read_order({"id": 1, "equipamento": written})
    assert order.values["equipamento"] == shown
