"""A folder of saved pages in the ERP's place."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from whatsapp_pipeline.erp.items import item_id
from whatsapp_pipeline.erp.source import open_erp_source
from whatsapp_pipeline.errors import PipelineError, SettingError
from whatsapp_pipeline.settings import Settings
from whatsapp_pipeline_tests.erp import worlds


def _write(path: Path, body: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(body))


def _ids(folder: Path) -> Iterator[int]:
    with open_erp_source(Settings(), str(folder)) as source:
        offset: int | None = 0
        while offset is not None:
            page = source.contacts_page(source.contact_scopes[0], offset, None)
            yield from map(item_id, page.items)
            offset = page.next_offset


def test_pages_of_any_version_and_size(tmp_path: Path) -> None:
    _write(
        tmp_path / "contatos" / "a.json", {"itens": [worlds.contact(n) for n in range(3)], "paginacao": {}}
    )
    _write(
        tmp_path / "contatos" / "b.json", {"retorno": {"contatos": [{"contato": {"id": "5", "nome": "x"}}]}}
    )
    _write(tmp_path / "contatos" / "c.json", [worlds.contact(9)])
    _write(tmp_path / "contatos" / "d.json", [])
    assert list(_ids(tmp_path)) == [1000, 1001, 1002, 5, 1009]


def test_a_row_saved_twice_counts_once(tmp_path: Path) -> None:
    for name in "ab":
        _write(tmp_path / "contatos" / f"{name}.json", [worlds.contact(1)])
    with open_erp_source(Settings(), str(tmp_path)) as source:
        assert source.contacts_page("", 0, None).total == 1


@pytest.mark.parametrize("body", ["<html>", '{"mensagem": "x"}', '"text"', "[1]"])
def test_a_file_that_is_no_page_is_named(tmp_path: Path, body: str) -> None:
    _write(tmp_path / "contatos" / "a.json", [worlds.contact(1)])
    (tmp_path / "contatos" / "b.json").write_text(body)
    with pytest.raises(PipelineError, match=r"contatos/b\.json is not a saved page"):
        list(_ids(tmp_path))


def test_orders_with_and_without_a_listing(tmp_path: Path) -> None:
    listed, detail = worlds.order(1)
    _write(tmp_path / "ordem-servico" / "details-1.json", {"itens": [detail]})
    with open_erp_source(Settings(), str(tmp_path)) as source:
        assert [item_id(item) for item in source.orders_page(0, None).items] == [9001]
        assert source.order(9001) == detail
        assert source.order(1) is None
    _write(tmp_path / "ordem-servico" / "list-0.json", {"itens": [listed]})
    with open_erp_source(Settings(), str(tmp_path)) as source:
        assert source.orders_page(0, None).items == [listed]
        assert source.order(9001) == detail


def test_what_is_no_source_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="expected `tiny`"):
        open_erp_source(Settings(), str(tmp_path / "absent"))
    with pytest.raises(PipelineError, match="holds no saved pages"):
        open_erp_source(Settings(), str(tmp_path))
    with pytest.raises(SettingError, match="TINY_CLIENT_ID and TINY_CLIENT_SECRET not set"):
        open_erp_source(Settings(), "tiny")
