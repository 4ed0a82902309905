"""Copies of personal data in files: saved ERP pages, QA reports, and the webhook's files of this host.

What belongs here: finding one person in these files, and removing erased people from them. What does not: the
tables (privacy.py), and the queue of erasures (local_erasures.py).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from whatsapp_pipeline.domain.redaction import NameTest
from whatsapp_pipeline.settings import Settings
from whatsapp_pipeline.shared_folder import (
    FileFolder,
    LocalFolder,
    kept_folder,
    local_folder,
    shared_folder,
)
from whatsapp_pipeline.webhook import privacy as webhooks
from whatsapp_pipeline.webhook.spool import spool_directory

PAGES, REPORTS = "erp_backup", "reports"
"""Folders of saved ERP pages and of QA reports."""
_PAGE, _REPORT = "*.json", "qa-*.html"
IdTest: TypeAlias = Callable[[str], bool]
"""Function that returns whether an ERP id, as text, is that of the person or of somebody on the list."""


def report_folder(settings: Settings) -> FileFolder:
    """Return the folder of new QA reports: REPORT_DIR, SHARED_DIR or `.local`, the first that is set."""
    return LocalFolder(settings.report_dir) if settings.report_dir else kept_folder(settings, REPORTS)


def page_folder(settings: Settings) -> FileFolder:
    """Return the folder of newly saved ERP pages: in SHARED_DIR if it is set, otherwise in `.local`."""
    return kept_folder(settings, PAGES)


def has_copies(settings: Settings) -> bool:
    """Return whether this host's own disk has a spool, saved ERP pages or QA reports."""
    return spool_directory(settings).is_dir() or any(
        folder.names(pattern) for folder, pattern in (*_own_pages(settings), *_own_reports(settings))
    )


def saved_items(settings: Settings, is_person: IdTest) -> list[dict[str, Any]]:
    """Return each object of the saved pages that is the contact, or the contact inside an order."""
    shared = shared_folder(settings, PAGES)
    return [
        item
        for folder in (*(folder for folder, _ in _own_pages(settings)), *([shared] if shared else []))
        for name, content in _pages(folder)
        for item in _objects(content, is_person, is_contact_page="contatos" in name.split("/"))
    ]


def erase_own_files(
    settings: Settings, is_contact: IdTest | None, is_name: NameTest | None
) -> dict[str, int]:
    """Remove erased people from the files on this host's disk; return counts of changed and deleted files.

    Args:
        settings: The settings with the folders.
        is_contact: Tests for ERP ids of erased people; None if there are none.
        is_name: Tests for numbers and ids of erased people; None if there are none.
    """
    if is_name is not None:
        webhooks.rewrite_files(spool_directory(settings), is_name)
    return _erase_from(_own_pages(settings), _own_reports(settings), is_contact)


def erase_shared_files(settings: Settings, is_contact: IdTest | None) -> dict[str, int]:
    """Remove erased people from the files in SHARED_DIR; return counts of changed and deleted files."""
    pages, reports = shared_folder(settings, PAGES), shared_folder(settings, REPORTS)
    if pages is None or reports is None:
        return {}
    return _erase_from([(pages, _PAGE)], [(reports, _REPORT)], is_contact)


_Files: TypeAlias = tuple[FileFolder, str]  # a folder and the pattern of its files


def _own_pages(settings: Settings) -> list[_Files]:
    return [(local_folder(settings, PAGES), _PAGE)]


def _own_reports(settings: Settings) -> list[_Files]:
    # The first reports may have been written before REPORT_DIR or SHARED_DIR was set.
    named = [LocalFolder(settings.report_dir)] if settings.report_dir else []
    return [(folder, _REPORT) for folder in (local_folder(settings, REPORTS), *named)]


def _erase_from(pages: list[_Files], reports: list[_Files], is_contact: IdTest | None) -> dict[str, int]:
    changed = deleted = 0
    if is_contact is not None:
        changed = sum(_erase_from_pages(folder, is_contact) for folder, _ in pages)
    # A report can show names and titles, so every report is deleted. The command `report` makes it again.
    for folder, pattern in reports:
        for name in folder.names(pattern):
            if "/" in name:
                continue  # REPORT_DIR may have folders with other people's files
            folder.delete(name)
            deleted += 1
    return {"saved ERP pages": changed, "QA reports": deleted}


def _pages(folder: FileFolder) -> Iterator[tuple[str, Any]]:
    """Yield (name, content) of the saved pages; pages that are not complete JSON are skipped."""
    for name in folder.names(_PAGE):
        try:
            yield name, json.loads(folder.read(name).decode("utf-8-sig"))
        except ValueError:
            continue
        except FileNotFoundError:  # its pass was removed after the names were listed
            continue


def _objects(value: object, is_person: IdTest, *, is_contact_page: bool) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        for item in value:
            yield from _objects(item, is_person, is_contact_page=is_contact_page)
    elif isinstance(value, dict):
        if is_contact_page and is_person(str(value.get("id"))):
            yield value
            return
        for name, item in value.items():
            is_mention = name in {"contato", "cliente"} and isinstance(item, dict)
            if is_mention and is_person(str(item.get("id"))):
                yield item
            else:
                yield from _objects(item, is_person, is_contact_page=is_contact_page)


def _erase_from_pages(folder: FileFolder, is_person: IdTest) -> int:
    """Reduce erased contacts in saved pages to their id, so that a page keeps its number of items.

    Return the number of changed pages.
    """
    changed = 0
    for name, content in _pages(folder):
        found = [
            item
            for item in _objects(content, is_person, is_contact_page="contatos" in name.split("/"))
            if set(item) != {"id"}
        ]
        for item in found:
            kept = item["id"]
            item.clear()
            item["id"] = kept
        if found:
            folder.write(name, json.dumps(content))
            changed += 1
    return changed
