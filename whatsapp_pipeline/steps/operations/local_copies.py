"""Copies of personal data in this host's files: saved ERP pages, QA reports, and the webhook's files.

What belongs here: finding one person in these files, and removing erased people from them. What does not: the
tables (privacy.py), and when a host does this (local_erasures.py).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

from whatsapp_pipeline import private_files
from whatsapp_pipeline.domain.redaction import NameTest
from whatsapp_pipeline.settings import Settings
from whatsapp_pipeline.webhook import privacy as webhooks
from whatsapp_pipeline.webhook.spool import spool_directory

IdTest: TypeAlias = Callable[[str], bool]
"""Whether an ERP id, as text, is that of the person or of somebody on the list."""


def has_copies(settings: Settings) -> bool:
    """Return whether this host has folders in which copies of personal data are kept."""
    return (
        spool_directory(settings).is_dir()
        or _pages_folder(settings).is_dir()
        or next(_reports(settings), None) is not None
    )


def saved_items(settings: Settings, is_person: IdTest) -> list[dict[str, Any]]:
    """Return each object of the saved pages that is the contact, or the contact inside an order."""
    return [
        item
        for path, content in _pages(_pages_folder(settings))
        for item in _objects(content, is_person, is_contact_page="contatos" in path.parts)
    ]


def remove_erased(settings: Settings, is_contact: IdTest | None, is_name: NameTest | None) -> dict[str, int]:
    """Remove erased people from this host's files; return the number of changed pages and deleted reports.

    Args:
        settings: they name the folders.
        is_contact: recognises the ERP ids of erased people; None when there are none.
        is_name: recognises the numbers and ids of erased people; None when there are none.
    """
    if is_name is not None:
        webhooks.rewrite_files(spool_directory(settings), is_name)
    pages = 0 if is_contact is None else _scrub_pages(_pages_folder(settings), is_contact)
    # A report can show names and titles; the command `report` makes it again.
    reports = list(_reports(settings))
    for report in reports:
        report.unlink(missing_ok=True)
    return {"saved ERP pages": pages, "QA reports": len(reports)}


def _pages_folder(settings: Settings) -> Path:
    return settings.local_dir / "erp_backup"


def _reports(settings: Settings) -> Iterator[Path]:
    return (settings.report_dir or settings.local_dir / "reports").glob("qa-*.html")


def _pages(folder: Path) -> Iterator[tuple[Path, Any]]:
    """Yield the saved pages and their content; an incomplete page, whose objects can't be separated, not."""
    for path in sorted(folder.rglob("*.json")) if folder.is_dir() else ():
        try:
            yield path, json.loads(path.read_text(encoding="utf-8-sig"))
        except ValueError:
            continue
        except FileNotFoundError:  # the oldest pass was removed meanwhile
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


def _scrub_pages(folder: Path, is_person: IdTest) -> int:
    """Remove everything but the contact's id from saved pages, so that a page's count of items stays right.

    Returns how many pages changed.
    """
    changed = 0
    for path, content in _pages(folder):
        found = [
            item
            for item in _objects(content, is_person, is_contact_page="contatos" in path.parts)
            if set(item) != {"id"}
        ]
        for item in found:
            kept = item["id"]
            item.clear()
            item["id"] = kept
        if found:
            private_files.replace_file(path, json.dumps(content))
            changed += 1
    return changed
