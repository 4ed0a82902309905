"""Saved pages of the ERP: the newest passes of each listing stay."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from whatsapp_pipeline.assets.contacts import tiny_contacts
from whatsapp_pipeline.erp.listing_page import ListingPage
from whatsapp_pipeline.sandbox.erp_server import serving
from whatsapp_pipeline.steps.contacts.erp_backup import PageBackup, remove_old_passes
from whatsapp_pipeline_tests.erp import worlds
from whatsapp_pipeline_tests.erp_resources import erp_resources

LOG = logging.getLogger(__name__)
PAGE = ListingPage(items=[{"id": 1}], offset=0, next_offset=None, total=1)


@pytest.fixture
def save(tmp_path: Path) -> Callable[[str], str]:
    """Save one pass over a listing and return its folder's name."""

    def run(listing: str) -> str:
        backup = PageBackup(tmp_path)
        backup.save_page(listing, PAGE)
        return backup.name

    return run


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_the_newest_passes_of_each_listing_stay(tmp_path: Path, save: Callable[[str], str]) -> None:
    orders = [save("ordem-servico/list") for _ in range(2)]
    contacts = [save("contatos/B") for _ in range(5)]
    assert remove_old_passes(tmp_path, 3, log=LOG) == 2
    assert names(tmp_path) == {*orders, *contacts[2:]}
    assert remove_old_passes(tmp_path, 3, log=LOG) == 0


def test_what_no_pass_made_stays(tmp_path: Path, save: Callable[[str], str]) -> None:
    (tmp_path / "before-the-move" / "contatos").mkdir(parents=True)
    (tmp_path / "20200101T000000000000").mkdir()  # another process is about to save its first page
    kept = [save("contatos/B") for _ in range(2)][1]
    assert remove_old_passes(tmp_path, 1, log=LOG) == 1
    assert names(tmp_path) == {"before-the-move", "20200101T000000000000", kept}


def test_where_nothing_was_saved_nothing_goes(tmp_path: Path) -> None:
    assert remove_old_passes(tmp_path / "none", 1, log=LOG) == 0


def test_a_run_keeps_as_many_as_it_is_told(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIPELINE_LOCAL_DIR", str(tmp_path))  # as whoever starts the pipeline sets them
    monkeypatch.setenv("ERP_BACKUP_KEEP", "1")
    root = tmp_path / "erp_backup"

    def run(url: str, *, dry_run: bool) -> set[str]:
        dg.materialize(
            [tiny_contacts],
            resources=erp_resources(database_url, url),
            run_config={"ops": {"tiny_contacts": {"config": {"dry_run": dry_run}}}},
        )
        return names(root)

    with serving(worlds.sandbox(20, orders=1)) as url:
        first = run(url, dry_run=False)
        assert len(first) == 1
        assert run(url, dry_run=True) > first
        last = run(url, dry_run=False)
    assert len(last) == 1
    assert not last & first
